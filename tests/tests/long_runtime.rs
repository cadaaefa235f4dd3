//! Values of the Go runtime with every Go release, with symbols and without; the result is docs/runtime.md.

#[path = "scenario/runtime/mod.rs"]
mod runtime;

use golens::runtime::Figure;
use runtime::{
    Build, Cell, Checked, ROWS,
    beside::{BESIDE, Relation},
    compare,
    load::under_load,
};
use tests::harness::{
    Page,
    Toolchain::{self, Version},
};

const TOOLCHAINS: [Toolchain; 11] = [
    Version("go1.17.13"),
    Version("go1.18.10"),
    Version("go1.19.13"),
    Version("go1.20.14"),
    Version("go1.21.13"),
    Version("go1.22.12"),
    Version("go1.23.12"),
    Version("go1.24.13"),
    Version("go1.25.14"),
    Version("go1.26.8"),
    Version("go1.27.4"),
];

#[test]
fn every_value_equals_the_programs_own_with_every_go() {
    let mut columns = Vec::new();
    for toolchain in TOOLCHAINS {
        let plain = compare(Build::new(toolchain).peeking());
        let stripped = compare(Build::new(toolchain).stripped());
        compare(Build::new(toolchain).with(&["-buildmode=pie"]));
        // The variable is known where C is called, and the calls are counted.
        compare(Build::new(toolchain).with(&["-tags=withc"]));
        columns.push((toolchain.to_string(), plain, stripped));
    }
    page(&columns).file();
}

#[test]
fn what_a_busy_program_counts_only_rises_with_every_go() {
    for toolchain in TOOLCHAINS {
        for build in [Build::new(toolchain), Build::new(toolchain).stripped()] {
            let found = under_load(build, 50);
            assert!(found.readings >= 250, "{toolchain}: {found:?}");
            assert!(
                found.between >= 10 * found.readings,
                "{toolchain}: {found:?}"
            );
            assert!(found.processors > 1, "{toolchain}: {found:?}");
        }
    }
}

const HEAD: &str = "\
# Values of the Go runtime

Written by the test `long_runtime`; `GOLENS_UPDATE=1 cargo xtask test --all programs_own_with_every_go` writes it again.

Each row is a value that golens reads from a program's memory, each column a Go release, amd64.
Every name that runtime/metrics of a release has is here: the test fails with one that is not.
The program works, settles, notes its values from runtime/metrics and `ReadMemStats`, stands still while golens
reads it, and notes them again.
No value differs; what a cell says:

- `=`: equal to what the program notes before and after, to the last digit; histograms bucket by bucket
- `between`: the program's own two values differ, and the value is one of them or lies between them
- `bounds`: no release offers the value; it lies where it must in a program that stands still
- `read`: the release, or this build, does not offer the value; it is read in the same way as where it does
- `-`: the release does not keep the value, and golens shows none
- `not read`: the release offers it, and golens does not read it, for the reason below
- two cells, as in `= / unknown`: with symbols, and stripped with `-ldflags='-s -w'`, where they differ;
  `unknown`: the stripped binary does not tell where the value is, and golens shows none
";

fn page(columns: &[(String, Checked, Checked)]) -> Page {
    let names = columns.iter().map(|(name, ..)| name.as_str());
    let head: Vec<&str> = ["value"].into_iter().chain(names).collect();
    let mut page = Page::new("runtime.md", HEAD, &head);
    let mut row = |name: &str, of: fn(&Checked) -> &[Cell], at: usize| {
        let cells = columns
            .iter()
            .map(|(_, plain, stripped)| both(of(plain)[at], of(stripped)[at]));
        let cells: Vec<String> = [format!("`{name}`")].into_iter().chain(cells).collect();
        page.row(&cells);
    };
    for (at, value) in ROWS.iter().enumerate() {
        row(value.name(), |checked| &checked.rows, at);
    }
    for (at, value) in BESIDE.iter().enumerate() {
        row(value.name, |checked| &checked.beside, at);
    }
    page.text("What follows from others, and is not published by itself:\n");
    for beside in BESIDE {
        if let Some(text) = derivation(beside.relation) {
            page.text(&format!("- `{}`: {text}", beside.name));
        }
    }
    page.text("\nNot read:\n");
    for beside in BESIDE {
        if let Relation::NotRead(reason) = beside.relation {
            page.text(&format!("- `{}`: {reason}", beside.name));
        }
    }
    page.text(NOT_BEFORE);
    page
}

const NOT_BEFORE: &str = "
Goroutines created are counted by the runtime from Go 1.26 on. Before, only their ids tell: each P takes 16 at a time, \
those left over are lost when GOMAXPROCS shrinks, and threads of C take ids, too; so golens shows none rather than \
nearly as many.";

fn derivation(relation: Relation) -> Option<String> {
    let names = |figures: &[Figure], sign: &str| {
        let names: Vec<String> = figures
            .iter()
            .map(|figure| format!("`{}`", figure.name()))
            .collect();
        names.join(sign)
    };
    match relation {
        Relation::Sum(parts) => Some(names(parts, " + ")),
        Relation::Difference(all, part) => Some(names(&[all, part], " - ")),
        Relation::Same(times) => Some(format!("another name for `{}`", times.name())),
        Relation::NotRead(_) => None,
    }
}

fn both(plain: Cell, stripped: Cell) -> String {
    let is_same = plain == stripped
        || [Cell::Equal, Cell::Between].contains(&plain)
            && [Cell::Equal, Cell::Between].contains(&stripped);
    match is_same {
        true => show(plain).to_owned(),
        false => format!("{} / {}", show(plain), show(stripped)),
    }
}

fn show(cell: Cell) -> &'static str {
    match cell {
        Cell::Equal => "=",
        Cell::Between => "between",
        Cell::Bounds => "bounds",
        Cell::Read => "read",
        Cell::NotInRelease => "-",
        Cell::Unknown => "unknown",
        Cell::NotRead => "not read",
    }
}
