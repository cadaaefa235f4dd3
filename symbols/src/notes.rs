//! Build ids.

use std::fmt::Write as _;

use crate::budget::MAX_NOTES;
use crate::bytes;
use crate::image::Image;

/// Reads the GNU build id as hex, else the Go build id, else nothing.
pub(crate) fn build_id(image: &Image<'_>) -> String {
    let sections = [".note.gnu.build-id", ".note.go.buildid"];
    let by_section = sections
        .iter()
        .filter_map(|name| image.go_section(name))
        .map(|section| section.data);
    let tables: Vec<&[u8]> = image.notes.iter().copied().chain(by_section).collect();
    let find = |owner: &[u8], kind: u32| tables.iter().find_map(|table| note(table, owner, kind));
    if let Some(id) = find(b"GNU\0", 3) {
        return hex(id);
    }
    find(b"Go\0\0", 4)
        .map(|id| String::from_utf8_lossy(id).into_owned())
        .unwrap_or_default()
}

/// Finds the description of the note with this owner and type.
fn note<'d>(table: &'d [u8], owner: &[u8], kind: u32) -> Option<&'d [u8]> {
    let table = table.get(..MAX_NOTES.min(table.len()))?;
    let mut at = 0_usize;
    loop {
        let owner_size = usize::try_from(bytes::u32_at(table, at)?).ok()?;
        let size = usize::try_from(bytes::u32_at(table, at.checked_add(4)?)?).ok()?;
        let owner_at = at.checked_add(12)?;
        let owner_end = owner_at.checked_add(owner_size)?;
        let start = owner_end.checked_next_multiple_of(4)?;
        let end = start.checked_add(size)?;
        let description = table.get(start..end)?;
        if bytes::u32_at(table, at.checked_add(8)?)? == kind
            && table.get(owner_at..owner_end)? == owner
        {
            return Some(description);
        }
        at = end.checked_next_multiple_of(4)?;
    }
}

fn hex(id: &[u8]) -> String {
    id.iter().take(64).fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_note_is_taken() {
        let mut table = Vec::new();
        for (owner, kind, id) in [
            (b"Go\0\0", 4_u32, &b"abc"[..]),
            (b"GNU\0", 3, &[0xab, 0x01]),
        ] {
            table.extend(4_u32.to_le_bytes());
            table.extend((id.len() as u32).to_le_bytes());
            table.extend(kind.to_le_bytes());
            table.extend(owner);
            table.extend(id);
            table.resize(table.len().next_multiple_of(4), 0);
        }
        assert_eq!(note(&table, b"GNU\0", 3).map(hex), Some("ab01".into()));
        assert_eq!(note(&table, b"Go\0\0", 4), Some(&b"abc"[..]));
        assert_eq!(note(&table, b"GNU\0", 1), None);
        assert_eq!(note(&table[..20], b"GNU\0", 3), None);
    }
}
