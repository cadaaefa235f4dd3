//! One write to stdout or stderr: which records does it hold, and may they take the writer's span?
//!
//! A wrong trace id is worse than none. A write belongs to the request of its goroutine only when it
//! is exactly one whole record and no buffer stands between the logger and the file: a buffered
//! writer flushes other goroutines' records on whichever goroutine fills it.

/// The records of one write, and whether they may carry the span of the writing goroutine.
#[derive(Debug, PartialEq, Eq)]
pub struct Records<'a> {
    /// Records in order, without their newlines; empty ones are left out.
    pub lines: Vec<&'a [u8]>,
    /// Whether the one record is known to be the writing goroutine's own.
    pub own: bool,
    /// Whether the last record's end is not in the captured bytes.
    pub truncated: bool,
}

/// Splits the captured bytes of a write of `length` bytes; `stored` when a buffer stands before the file.
#[must_use]
pub fn split(captured: &[u8], length: usize, stored: bool) -> Records<'_> {
    let truncated = length > captured.len();
    let ends_whole = !truncated && captured.ends_with(b"\n");
    let lines: Vec<&[u8]> = captured
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.is_empty())
        .collect();
    let newlines = captured.iter().filter(|byte| **byte == b'\n').count();
    Records {
        own: ends_whole && newlines == 1 && lines.len() == 1 && !stored,
        lines,
        truncated,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(text: &str) -> bool {
        split(text.as_bytes(), text.len(), false).own
    }

    #[test]
    fn one_whole_line_is_the_writers_own() {
        assert!(own("level=INFO msg=hello\n"));
        assert!(own("hello\r\n"));
    }

    #[test]
    fn part_of_a_line_is_not() {
        assert!(!own("level=INFO msg=hel"));
        assert!(!own("\n"));
        assert!(!own(""));
    }

    #[test]
    fn several_lines_are_not() {
        let records = split(b"a\n\nb\nc", 6, false);
        assert_eq!(records.lines, [b"a", b"b", b"c"]);
        assert!(!records.own);
        assert!(!own("a\nb\n"));
    }

    #[test]
    fn a_buffered_writers_line_is_not() {
        assert!(!split(b"a\n", 2, true).own);
    }

    #[test]
    fn a_cut_line_is_not() {
        let records = split(b"a\n", 70_000, false);
        assert!(records.truncated);
        assert!(!records.own);
    }
}
