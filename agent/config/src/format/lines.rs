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

    /// Byte offset of a place in the text.
    pub(super) fn offset(&self, mark: Mark) -> Option<usize> {
        let start = *self.starts.get(mark.line.checked_sub(1)?)?;
        let mut characters = self.text.get(start..)?.char_indices();
        let before = mark.column.checked_sub(1)?;
        let offset = characters.nth(before).map(|(offset, _)| start + offset);
        offset.or_else(|| {
            (self.text.get(start..)?.chars().count() == before).then_some(self.text.len())
        })
    }
}
