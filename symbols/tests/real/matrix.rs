//! Two rows of the support table; the test `support_table` makes all.

use crate::common::{differences, row, support_page};

/// Compares the builds of one release, and what the support table says of them.
fn hold(toolchain: &'static str) {
    let row = row(toolchain, &["amd64"]);
    let wrong = row.wrong();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let page = std::fs::read_to_string(support_page()).unwrap();
    let differences = differences(&page, &row);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn go_1_26_is_read_as_the_support_table_says() {
    hold("go1.26.8");
}

#[test]
fn go_1_21_is_read_as_the_support_table_says() {
    hold("go1.21.13");
}
