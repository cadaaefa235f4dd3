//! Reading what programs print.

/// The value of `name=` in a line of slog's text handler, without quotes; `None` when it is absent,
/// empty, or cut off at the end of the line.
#[must_use]
pub fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split(' ')
        .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
        .map(|value| value.trim_matches('"'))
        .filter(|value| !value.is_empty())
}

/// The address in a line such as `listening 127.0.0.1:80 pid 7`.
pub(crate) fn listening(output: &str) -> Option<String> {
    output
        .lines()
        .find_map(|line| line.strip_prefix("listening "))
        .and_then(|rest| rest.split(' ').next())
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let line = "time=2026 level=INFO msg=line number=2 expect=0af7 unexpected=no empty=\"\"";
        assert_eq!(field(line, "expect"), Some("0af7"));
        assert_eq!(field(line, "number"), Some("2"));
        assert_eq!(field(line, "empty"), None);
        assert_eq!(field(line, "pect"), None);
    }

    #[test]
    fn the_address_is_read_from_the_line_that_announces_it() {
        let output = "noise\nlistening 127.0.0.1:4711 pid 7\n";
        assert_eq!(listening(output).as_deref(), Some("127.0.0.1:4711"));
        assert_eq!(listening("noise\n"), None);
    }
}
