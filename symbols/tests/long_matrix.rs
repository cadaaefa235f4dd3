//! Every release and every build of the support table, against the Go toolchain's own answers.

mod common;

use common::{Row, TOOLCHAINS, page, row, support_page};

#[test]
fn support_table() {
    let rows: Vec<Row> = TOOLCHAINS
        .iter()
        .map(|toolchain| row(toolchain, &["amd64", "arm64"]))
        .collect();
    let wrong: Vec<String> = rows.iter().flat_map(Row::wrong).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let table = page(&rows);
    if std::env::var_os("GOLENS_UPDATE").is_some() {
        std::fs::write(support_page(), &table).expect("the page can be written");
    }
    let kept = std::fs::read_to_string(support_page()).unwrap_or_default();
    assert_eq!(kept, table, "docs/support.md is not what this test found");
}
