//! The support table, `docs/support.md`: what was compared in each cell of the matrix.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::compare::{Compared, Tally};
use super::matrix::Row;

const HEAD: &str = "\
# Go binaries that are read

Written by the test `support_table`; `GOLENS_UPDATE=1 cargo xtask test --all support_table` writes it again.

Each row is a Go release, each column a way to build the fixture server (`symbols/tests/fixture/server`).
Each number counts answers of the crate `symbols` that equal those of the Go toolchain: functions, sizes and
variables as `go tool nm` lists them, structs and fields as Go's `debug/dwarf` reads them, and build
information as `go version -m` prints it. No answer differs.
Where there is no answer, the reason and its count follow the number.
For stripped builds the truth is that of the build with symbols, whose code is the same byte for byte.
arm64 binaries are cross-compiled and not run; C has no cross compiler in the tests.

The same is held for further builds of one release, with no wrong answer either:

- linked otherwise: `-w`, `-buildvcs=false`, `-buildid=`, uncompressed debugging information, external linking,
  cgo static, cgo PIE, static PIE, packed relocations, `c-shared`, `c-archive` in a C program, plugins and
  programs that open them
- changed afterwards: `strip`, `strip --strip-debug`, `.zdebug` sections; with section headers removed, the
  functions and variables golens looks for
- compiled otherwise: `-trimpath`, `-race`, `-gcflags='all=-N -l'`, a profile (`-pgo`), `GOAMD64=v3`,
  `GOEXPERIMENT=nodwarf5` and `noswissmap`, `golang.org/x/net` in a vendor folder

Of a stripped plugin, only functions are known: its type descriptors point into the program that opens it.

Refused, with the reason: programs packed with UPX (tested on a file made by hand), obfuscated with garble, programs from which build
information and symbols were both taken, and Go before 1.17.
";

/// A table: its title, what it says, and the tally it shows.
struct Subject {
    title: &'static str,
    text: &'static str,
    tally: fn(&Compared) -> &Tally,
}

const SUBJECTS: [Subject; 9] = [
    Subject {
        title: "Functions by name",
        text: "The body that takes its arguments in registers, with address and size; on arm64 without the \
               zeros behind it, which `go tool nm` counts in, where there are no symbols. \
               `ambiguous`: the function table gives several bodies this name. \
               `assembly`: without symbols the calling convention of assembly is unknown.",
        tally: |compared| &compared.functions,
    },
    Subject {
        title: "Functions by address",
        text: "The function that begins at an address, with name and size.",
        tally: |compared| &compared.addresses,
    },
    Subject {
        title: "Structs",
        text: "Structs with their sizes. `no_descriptor`: nothing in a binary without debugging \
               information describes the struct.",
        tally: |compared| &compared.structs,
    },
    Subject {
        title: "Fields",
        text: "The fields of these structs with their offsets.",
        tally: |compared| &compared.fields,
    },
    Subject {
        title: "Fields in the reference tables",
        text: "The fields of the structs that golens reads, as the tables kept for this release alone say.",
        tally: |compared| &compared.tables,
    },
    Subject {
        title: "Runtime variables",
        text: "The variables golens reads, with their addresses: from the symbol table, else from code signatures.",
        tally: |compared| &compared.variables,
    },
    Subject {
        title: "Source lines",
        text: "Function, file and line at the beginning and in the middle of each function, as \
               `go tool addr2line` prints them.",
        tally: |compared| &compared.lines,
    },
    Subject {
        title: "Returns",
        text: "Functions of `runtime`, `os`, `net`, `net/http` and `internal/poll` with the addresses of their \
               return instructions, as `go tool objdump` prints them.",
        tally: |compared| &compared.returns,
    },
    Subject {
        title: "Behind calls",
        text: "Pairs of functions, one of which calls the other: each call in `go tool objdump` has a place behind \
               it where a probe is cheap and passed once. Else the reason why there is none.",
        tally: |compared| &compared.calls,
    },
];

/// Where the page is kept.
pub(crate) fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/support.md")
}

/// Writes the page of all rows.
pub(crate) fn page(rows: &[Row]) -> String {
    let mut page = HEAD.to_owned();
    for subject in &SUBJECTS {
        write!(page, "\n## {}\n\n{}\n\n", subject.title, subject.text).expect("memory suffices");
        let columns = rows.first().into_iter().flat_map(|row| &row.cells);
        let columns: Vec<&str> = columns.map(|(name, _)| name.as_str()).collect();
        page += &line("Go", &columns);
        page += &line("---", &vec!["---"; columns.len()]);
        for row in rows {
            let cells = row.cells.iter();
            let cells = cells.map(|(_, compared)| cell((subject.tally)(compared)));
            page += &line(row.toolchain, &cells.collect::<Vec<_>>());
        }
    }
    page
}

fn line<T: AsRef<str>>(first: &str, cells: &[T]) -> String {
    let cells = cells.iter().map(|cell| format!(" {} |", cell.as_ref()));
    format!("| {first} |{}\n", cells.collect::<String>())
}

/// Writes what the table says of one build.
fn cell(tally: &Tally) -> String {
    let unresolved = tally.unresolved.iter();
    let unresolved: Vec<String> = unresolved
        .map(|(reason, count)| format!("{count} `{reason}`"))
        .collect();
    match unresolved.as_slice() {
        [] => tally.right.to_string(),
        reasons => format!("{}; {}", tally.right, reasons.join(", ")),
    }
}

/// Lists where a page says something else of a row.
pub(crate) fn differences(page: &str, row: &Row) -> Vec<String> {
    let mut differences = Vec::new();
    for subject in &SUBJECTS {
        for (build, compared) in &row.cells {
            let found = cell((subject.tally)(compared));
            let stated = stated(page, subject.title, row.toolchain, build).unwrap_or_default();
            if stated != found {
                let place = format!("{}, {}, {build}", subject.title, row.toolchain);
                differences.push(format!("{place}: {stated:?} is stated, {found:?} is found"));
            }
        }
    }
    differences
}

/// Finds what a page says in one cell.
fn stated<'p>(page: &'p str, title: &str, toolchain: &str, build: &str) -> Option<&'p str> {
    let words = |line: &'p str| line.split('|').map(str::trim).collect::<Vec<_>>();
    let section = page.split("\n## ").find(|part| part.starts_with(title))?;
    let mut table = section
        .lines()
        .filter(|line| line.starts_with('|'))
        .map(words);
    let column = table.next()?.iter().position(|&name| name == build)?;
    let row = table.find(|row| row.get(1) == Some(&toolchain))?;
    row.get(column).copied()
}
