//! Import paths as they stand in the names of symbols.

/// Writes an import path as the linker does in names: dots of the last element and odd bytes as `%xx`.
pub(super) fn escape_path(path: &str, name: &mut String) {
    let last = path.rfind('/').unwrap_or(0);
    for (at, char) in path.char_indices() {
        let dot = char == '.' && at > last;
        if dot || matches!(char, '%' | '"' | '\0'..=' ' | '\x7f'..) {
            let mut bytes = [0; 4];
            for byte in char.encode_utf8(&mut bytes).bytes() {
                name.push('%');
                for digit in [byte >> 4, byte & 15] {
                    name.extend(char::from_digit(u32::from(digit), 16));
                }
            }
        } else {
            name.push(char);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_escaped_as_the_linker_does() {
        let escaped = |path: &str| {
            let mut name = String::new();
            escape_path(path, &mut name);
            name
        };
        assert_eq!(
            escaped("google.golang.org/grpc/status"),
            "google.golang.org/grpc/status"
        );
        assert_eq!(escaped("gopkg.in/yaml.v3"), "gopkg.in/yaml%2ev3");
        assert_eq!(escaped("a/b c"), "a/b%20c");
    }
}
