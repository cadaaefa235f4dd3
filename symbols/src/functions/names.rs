//! The ways in which people and tables write one function's name.
//!
//! # Source     `cmd/internal/objabi.PathToPrefix` (dots of an import path's last element are `%2e` in symbols),
//!              `runtime.funcNameForPrint` (type arguments print as `[...]`)

use std::borrow::Cow;

/// Import paths with more dots in their last element are looked up as they are written only.
const MAX_DOTS: usize = 8;

/// Lists the names a table may have for `name`: as written, then with the dots of the import path escaped.
///
/// `gopkg.in/yaml.v2.Marshal` is `gopkg.in/yaml%2ev2.Marshal` in a symbol table; as nothing says where the
/// path ends, each place is tried.
pub(super) fn spellings(name: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let head = name.find(['(', '[']).unwrap_or(name.len());
    let path = name.get(..head).unwrap_or_default();
    let element = path.rfind('/').map_or(0, |slash| slash.saturating_add(1));
    let dots = path.get(element..).unwrap_or_default().matches('.').count();
    // The last dot separates package and function.
    let escaped = (1..dots.min(MAX_DOTS)).filter_map(move |count| {
        let (before, behind) = (name.get(..element)?, name.get(element..)?);
        Some(Cow::Owned(format!(
            "{before}{}",
            behind.replacen('.', "%2e", count)
        )))
    });
    std::iter::once(Cow::Borrowed(name)).chain(escaped)
}

/// Says whether a name leaves its type arguments out.
pub(crate) fn is_shortened(name: &str) -> bool {
    name.contains("[...]")
}

/// Leaves the type arguments of a name out, as the runtime does when it prints it.
pub(crate) fn shortened(name: &str) -> Option<String> {
    let (open, close) = (name.find('[')?, name.rfind(']')?);
    let behind = name.get(close..).filter(|_| open < close)?;
    Some(format!("{}[...{behind}", name.get(..open)?))
}

/// Says whether `full` is `short` with type arguments.
pub(crate) fn shortens_to(full: &[u8], short: &str) -> bool {
    let Ok(full) = str::from_utf8(full) else {
        return false;
    };
    shortened(full).is_some_and(|name| name == short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_of_the_last_path_element_may_be_escaped() {
        let many = format!("p{}", ".x".repeat(100));
        let all = |name| spellings(name).collect::<Vec<_>>();
        assert_eq!(all("runtime.newproc"), ["runtime.newproc"]);
        assert_eq!(all("os.(*File).Write"), ["os.(*File).Write"]);
        assert_eq!(
            all("gopkg.in/yaml.v2.(*decoder).unmarshal"),
            [
                "gopkg.in/yaml.v2.(*decoder).unmarshal",
                "gopkg.in/yaml%2ev2.(*decoder).unmarshal"
            ]
        );
        assert_eq!(all("a.b/c.d.e.f").len(), 3);
        assert_eq!(all(&many).len(), MAX_DOTS);
        assert_eq!(all(""), [""]);
    }

    #[test]
    fn type_arguments_are_left_out_between_the_outer_brackets() {
        assert!(shortens_to(
            b"p.Map[go.shape.[]int,string].func1",
            "p.Map[...].func1"
        ));
        assert!(!shortens_to(b"p.Map[int]", "p.Map"));
        assert!(!shortens_to(b"p.Map]int[", "p.Map[...]"));
        assert!(!shortens_to(b"p.Map", "p.Map"));
        assert!(is_shortened("p.Map[...]") && !is_shortened("p.Map[int]"));
    }
}
