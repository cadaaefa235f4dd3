//! Text in sorted lines: what follows a key is found by bisection, without an index or a copy.

/// The lines of one table, in the order of their bytes.
///
/// # Layout      `# comment` lines, then `key rest` lines; a key may have blanks
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines(&'static str);

impl Lines {
    pub(super) const fn new(text: &'static str) -> Self {
        Self(text)
    }

    /// Finds the rest of the line that begins with `key` and a blank.
    pub(super) fn find(self, key: &str) -> Option<&'static str> {
        let (mut low, mut high) = (0, self.0.len());
        while low < high {
            let (start, line) = self.line_around(low, low.midpoint(high))?;
            if let Some(rest) = line
                .strip_prefix(key)
                .and_then(|rest| rest.strip_prefix(' '))
            {
                return Some(rest);
            }
            if line < key {
                low = start.checked_add(line.len())?.checked_add(1)?;
            } else {
                high = start;
            }
        }
        None
    }

    /// Takes the line that covers byte `at`; no line begins before `low`.
    fn line_around(self, low: usize, at: usize) -> Option<(usize, &'static str)> {
        let bytes = self.0.as_bytes();
        let before = bytes.get(low..at)?.iter().rposition(|&byte| byte == b'\n');
        let start = before.map_or(Some(low), |newline| {
            low.checked_add(newline)?.checked_add(1)
        })?;
        let line = self.0.get(start..)?.lines().next()?;
        Some((start, line))
    }

    /// Answers the first line.
    #[cfg(test)]
    pub(super) fn header(self) -> &'static str {
        self.0.lines().next().unwrap_or_default()
    }

    /// Lists all lines that are no comments.
    pub(super) fn all(self) -> impl Iterator<Item = &'static str> {
        self.0.lines().filter(|line| !line.starts_with('#'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_found_and_nothing_else() {
        let lines = Lines::new("# a b\na 1\na-b 2\nab c 3\nab d 4\nb \n");
        for (key, rest) in [
            ("a", "1"),
            ("a-b", "2"),
            ("ab c", "3"),
            ("ab d", "4"),
            ("b", ""),
        ] {
            assert_eq!(lines.find(key), Some(rest), "{key}");
        }
        for key in ["", "0", "aa", "ab e", "ab c 3", "c", "~"] {
            assert_eq!(lines.find(key), None, "{key}");
        }
        assert_eq!(Lines::new("").find("a"), None);
        assert_eq!(lines.all().count(), 5);
    }
}
