//! Which of the bodies that share a name is meant.
//!
//! A Go function called from assembly, and an assembly function called from Go, appear twice: the
//! wrapper between the calling conventions has the same name in the function table. The symbol table
//! writes `.abi0` behind the one whose arguments are on the stack.

use crate::error::Reason;

/// What kind of body a row is, read from the file it was compiled from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    Go,
    Assembly,
    Wrapper,
}

/// Where a function takes its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Convention {
    /// `ABIInternal`.
    Registers,
    /// `ABI0`.
    Stack,
}

/// Splits a name as the symbol table writes it into the name and the convention it asks for.
pub(super) fn convention(name: &str) -> (&str, Convention) {
    match name.strip_suffix(".abi0") {
        Some(base) => (base, Convention::Stack),
        None => (name, Convention::Registers),
    }
}

/// Chooses among the rows of one name.
pub(super) fn choose(rows: &[(u32, Body)], convention: Convention) -> Result<u32, Reason> {
    let of = |wanted: Body| {
        rows.iter()
            .filter(move |&&(_, body)| body == wanted)
            .map(|&(row, _)| row)
    };
    let counts = (
        of(Body::Go).count(),
        of(Body::Assembly).count(),
        of(Body::Wrapper).count(),
    );
    let chosen = match (counts, convention) {
        ((0, 0, 0), _) => return Err(Reason::NotFound),
        // Nothing beside it says which convention an assembly body follows.
        ((0, 1, 0), _) => return Err(Reason::Assembly),
        // A Go body, alone or with the wrapper through which assembly calls it.
        ((1, 0, 0 | 1), Convention::Registers) => of(Body::Go).next(),
        // A generated method, or the wrapper through which Go calls assembly.
        ((0, 0 | 1, 1), Convention::Registers) => of(Body::Wrapper).next(),
        ((1, 0, 1), Convention::Stack) => of(Body::Wrapper).next(),
        ((0, 1, 1), Convention::Stack) => of(Body::Assembly).next(),
        ((1, 0, 0) | (0, 0, 1), Convention::Stack) => return Err(Reason::NotFound),
        _ => None,
    };
    chosen.ok_or(Reason::Ambiguous { count: rows.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(rows: &[(u32, Body)]) -> [Result<u32, Reason>; 2] {
        [Convention::Registers, Convention::Stack].map(|convention| choose(rows, convention))
    }

    #[test]
    fn each_convention_has_its_body() {
        let ambiguous = Err(Reason::Ambiguous { count: 2 });
        for (rows, expected) in [
            (&[][..], [Err(Reason::NotFound), Err(Reason::NotFound)]),
            (&[(1, Body::Go)], [Ok(1), Err(Reason::NotFound)]),
            (&[(1, Body::Wrapper)], [Ok(1), Err(Reason::NotFound)]),
            (&[(1, Body::Wrapper), (2, Body::Go)], [Ok(2), Ok(1)]),
            (&[(1, Body::Assembly), (2, Body::Wrapper)], [Ok(2), Ok(1)]),
            (
                &[(1, Body::Assembly)],
                [Err(Reason::Assembly), Err(Reason::Assembly)],
            ),
            (
                &[(1, Body::Go), (2, Body::Go)],
                [ambiguous.clone(), ambiguous],
            ),
        ] {
            assert_eq!(chosen(rows), expected, "{rows:?}");
        }
    }

    #[test]
    fn the_symbol_tables_suffix_asks_for_the_stack() {
        assert_eq!(
            convention("runtime.newproc"),
            ("runtime.newproc", Convention::Registers)
        );
        assert_eq!(
            convention("runtime.newproc.abi0"),
            ("runtime.newproc", Convention::Stack)
        );
    }
}
