//! Lines and columns of byte offsets.

use crate::Mark;

/// Where the lines of a text begin.
pub(super) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let after_breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        let starts = std::iter::once(0).chain(after_breaks).collect();
        Self { text, starts }
    }

    /// Line and column of the character that holds the byte at `offset`.
    pub(super) fn mark(&self, offset: usize) -> Mark {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = line.checked_sub(1).and_then(|nth| self.starts.get(nth));
        let start = start.copied().unwrap_or_default();
        let before = self.text.as_bytes().get(start..offset).unwrap_or_default();
        // Bytes that begin no character continue one.
        let column = before.iter().filter(|byte| **byte & 0xC0 != 0x80).count() + 1;
        Mark { line, column }
    }
}
