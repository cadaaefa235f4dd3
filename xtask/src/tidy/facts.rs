//! Lines that name a Go fact, a symbol or the offset of a field, have one form.

use super::Source;

/// What a fact line looks like, kept apart so that this file is not one.
const SYMBOL: &str = concat!("go", "-sym:");
const OFFSET: &str = concat!("go", "-off:");

pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.path.ends_with(".rs")) {
        for (number, line) in source.text.lines().enumerate() {
            let place = format!("{}:{}", source.path, number + 1);
            if let Some((_, fact)) = line.split_once(SYMBOL)
                && !is_symbol(fact)
            {
                findings.push(format!(
                    "{place}: not `{SYMBOL} SYMBOL FIRST..=LAST FILE.go`"
                ));
            }
            if let Some((_, fact)) = line.split_once(OFFSET)
                && !is_offset(fact)
            {
                findings.push(format!(
                    "{place}: not `{OFFSET} PACKAGE.TYPE.FIELD [FIRST..=LAST]`"
                ));
            }
        }
    }
    findings
}

fn is_symbol(fact: &str) -> bool {
    let words: Vec<_> = fact.split_whitespace().collect();
    match words.as_slice() {
        [symbol, versions, file] => {
            symbol.contains('.') && is_range(versions) && file.ends_with(".go")
        }
        _ => false,
    }
}

/// A field of a named struct, so two dots at least; package paths may have more. A field that came or
/// went with a version has a range with an open end.
fn is_offset(fact: &str) -> bool {
    let mut words = fact.split_whitespace();
    let field = words
        .next()
        .is_some_and(|word| word.matches('.').count() >= 2);
    let versions = words
        .next()
        .is_none_or(|range| is_range(range) || is_open_range(range));
    field && versions && words.next().is_none()
}

fn is_range(text: &str) -> bool {
    let Some((first, last)) = text.split_once("..=") else {
        return false;
    };
    match (version(first), version(last)) {
        (Some(first), Some(last)) => first <= last,
        _ => false,
    }
}

fn is_open_range(text: &str) -> bool {
    match text.split_once("..=") {
        Some(("", last)) => version(last).is_some(),
        Some((first, "")) => version(first).is_some(),
        _ => false,
    }
}

fn version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_name_versions_and_a_file() {
        assert!(is_symbol(
            " net/http.(*response).finishRequest 1.17..=1.27 server.go"
        ));
        assert!(!is_symbol(" runtime.gcStart 1.27..=1.17 mgc.go"));
        assert!(!is_symbol(" runtime.gcStart 1.17..=1.27"));
        assert!(!is_symbol(" gcStart 1.17..=1.27 mgc.go"));
    }

    #[test]
    fn offsets_name_a_field() {
        assert!(is_offset(" runtime.g.goid"));
        assert!(is_offset(" net/http.Request.Pattern 1.23..=1.27"));
        assert!(is_offset(" runtime.schedt.gFree.n ..=1.24"));
        assert!(is_offset(" runtime.schedt.gFree.stack.size 1.25..="));
        assert!(!is_offset(" runtime.schedt.gFree.n ..="));
        assert!(!is_offset(" runtime.goid"));
        assert!(!is_offset(" runtime.g.goid some words"));
    }
}
