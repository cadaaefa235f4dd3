//! Values of the Go runtime with every Go release, with symbols and without; the result is docs/runtime.md.

#[path = "scenario/runtime/mod.rs"]
mod runtime;

use std::{fmt::Write as _, path::Path};

use runtime::{Build, Cell, ROWS, compare};
use tests::harness::Toolchain::{self, Installed, Version};

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
    Installed,
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
    let table = table(&columns);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/runtime.md");
    if std::env::var_os("GOLENS_UPDATE").is_some() {
        std::fs::write(path, table).expect("writable");
    } else {
        println!("{table}");
    }
}

const HEAD: &str = "\
# Values of the Go runtime

Written by the test `long_runtime`; `GOLENS_UPDATE=1 cargo xtask test --all every_go` writes it again.

Each row is a value that golens reads from a program's memory, each column a Go release, amd64.
The program works, settles, notes its values from runtime/metrics and `ReadMemStats`, stands still while golens
reads it, and notes them again.
No value differs; what a cell says:

- `=`: equal to what the program notes before and after, to the last digit; histograms bucket by bucket
- `between`: the program's own two values differ, and the value is one of them or lies between them
- `bounds`: no release offers the value; it lies where it must in a program that stands still
- `read`: the release, or this build, does not offer the value; it is read in the same way as where it does
- `-`: the release does not keep the value, and golens shows none
- two cells, as in `= / unknown`: with symbols, and stripped with `-ldflags='-s -w'`, where they differ;
  `unknown`: the stripped binary does not tell where the value is, and golens shows none

";

fn table(columns: &[(String, Vec<Cell>, Vec<Cell>)]) -> String {
    let mut text = HEAD.to_owned();
    let names: Vec<&str> = columns.iter().map(|(name, ..)| name.as_str()).collect();
    writeln!(text, "| value | {} |", names.join(" | ")).expect("a String takes everything");
    writeln!(text, "| --- |{}", " --- |".repeat(names.len())).expect("a String takes everything");
    for (at, row) in ROWS.iter().enumerate() {
        let cells: Vec<String> = columns
            .iter()
            .map(|(_, plain, stripped)| both(plain[at], stripped[at]))
            .collect();
        writeln!(text, "| `{}` | {} |", row.name(), cells.join(" | "))
            .expect("a String takes everything");
    }
    text.push_str(
        "\nNot read, though newer releases offer it: `/gc/cleanups/...`, `/gc/finalizers/...`, \
         `/sched/goroutines/{not-in-go,running,waiting}` and `/godebug/...`.\n",
    );
    text
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
    }
}
