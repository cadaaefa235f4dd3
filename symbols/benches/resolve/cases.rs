//! What is measured: a binary, and who reads it.

/// A program and how it was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binary {
    /// The net/http server of the tests, about 10 MB.
    Server,
    /// The same without symbols.
    ServerStripped,
    /// A program of well over 100 MB.
    Large,
    /// With its debugging information twice.
    LargeDoubled,
    /// With debugging information that is not compressed.
    LargePlain,
    /// Position-independent.
    LargePie,
    /// Without symbols.
    LargeStripped,
    /// Position-independent and without symbols.
    LargePieStripped,
}

/// Who reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// The crate, with expanded sections in an unlinked file.
    Symbols,
    /// Every debugging entry through gimli, with `.debug_info` in memory: the least another reader does.
    Gimli,
    /// `go tool nm`, which reads the symbol table only.
    GoNm,
}

/// One line of the results.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) binary: Binary,
    pub(crate) reader: Reader,
}

impl Case {
    pub(crate) fn is_large(&self) -> bool {
        !matches!(self.binary, Binary::Server | Binary::ServerStripped)
    }
}

/// Lists the cases, in the order of the report.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for (binary, name) in [
        (Binary::Server, "server"),
        (Binary::ServerStripped, "server-stripped"),
        (Binary::Large, "large"),
        (Binary::LargeDoubled, "large-doubled-dwarf"),
        (Binary::LargePlain, "large-plain-dwarf"),
        (Binary::LargePie, "large-pie"),
        (Binary::LargeStripped, "large-stripped"),
        (Binary::LargePieStripped, "large-pie-stripped"),
    ] {
        for (reader, suffix) in [
            (Reader::Symbols, "symbols"),
            (Reader::Gimli, "gimli"),
            (Reader::GoNm, "go-nm"),
        ] {
            let compared = matches!(binary, Binary::Server | Binary::Large);
            if reader == Reader::Symbols || compared {
                cases.push(Case {
                    name: format!("{name}/{suffix}"),
                    binary,
                    reader,
                });
            }
        }
    }
    cases
}
