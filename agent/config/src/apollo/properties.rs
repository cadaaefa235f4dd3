//! Java's properties format, as `Properties.store` writes it.

use std::{collections::BTreeMap, fmt::Write};

/// One line for each entry.
pub(super) fn render(entries: &BTreeMap<&str, &str>) -> String {
    let mut text = String::new();
    for (key, value) in entries {
        escape(&mut text, key, true);
        text.push('=');
        escape(&mut text, value, false);
        text.push('\n');
    }
    text
}

/// Spaces separate a key from its value, so they are escaped in all of a key, and at the beginning of a value.
fn escape(out: &mut String, text: &str, is_key: bool) {
    for (at, c) in text.char_indices() {
        match c {
            ' ' if is_key || at == 0 => out.push_str("\\ "),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\u{c}' => out.push_str("\\f"),
            '\\' | '=' | ':' | '#' | '!' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a string does not fail.
                    write!(out, "\\u{unit:04X}").unwrap_or_default();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_written_as_java_writes_them() {
        let entries = BTreeMap::from([
            ("a b", " x y"),
            ("c=d:e", "#1!\\"),
            ("lines", "1\n2\t3"),
            ("ü", "€ 😀"),
        ]);
        assert_eq!(
            render(&entries),
            "a\\ b=\\ x y\nc\\=d\\:e=\\#1\\!\\\\\nlines=1\\n2\\t3\n\\u00FC=\\u20AC \\uD83D\\uDE00\n"
        );
    }
}
