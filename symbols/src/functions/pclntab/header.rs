//! The header of the function table: which generation it is, and where its parts begin.
//!
//! # Source     `runtime/symtab.go` and `runtime/runtime2.go` of go1.17 to go1.27

use crate::bytes;

/// The generations of the table; each change came with a new magic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Generation {
    /// go1.16 and go1.17: entries are addresses.
    Absolute,
    /// go1.18 and go1.19: entries are offsets from the start of the text.
    Relative,
    /// go1.20 on: records and inlined calls also state the line a function starts at.
    StartLines,
}

impl Generation {
    /// Reads the magic, and the bytes that follow it in every real table.
    fn read(data: &[u8]) -> Option<Self> {
        let (magic, zero) = (bytes::u32_at(data, 0)?, bytes::u16_at(data, 4)?);
        let (quantum, pointer) = (bytes::u8_at(data, 6)?, bytes::u8_at(data, 7)?);
        if zero != 0 || !matches!(quantum, 1 | 4) || pointer != 8 {
            return None;
        }
        match magic {
            0xffff_fffa => Some(Self::Absolute),
            0xffff_fff0 => Some(Self::Relative),
            0xffff_fff1 => Some(Self::StartLines),
            _ => None,
        }
    }

    /// Bytes of an entry address or offset.
    pub(super) fn entry_width(self) -> usize {
        if self == Self::Absolute { 8 } else { 4 }
    }
}

/// How many functions, and where the parts of the table begin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    pub(super) generation: Generation,
    /// Program counters in the tables count in units of so many bytes.
    pub(super) quantum: u8,
    pub(super) rows: u32,
    pub(super) names_at: usize,
    pub(super) units_at: usize,
    pub(super) files_at: usize,
    pub(super) pcs_at: usize,
    pub(super) rows_at: usize,
}

impl Header {
    /// Reads a header whose parts lie inside `data`.
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        let generation = Generation::read(data)?;
        let first = if generation == Generation::Absolute {
            24_usize
        } else {
            32
        };
        let place = |step: usize| {
            let at = step.checked_mul(8)?.checked_add(first)?;
            usize::try_from(bytes::u64_at(data, at)?)
                .ok()
                .filter(|&value| value < data.len())
        };
        Some(Self {
            generation,
            quantum: bytes::u8_at(data, 6)?,
            rows: u32::try_from(bytes::u64_at(data, 8)?)
                .ok()
                .filter(|&rows| rows > 0)?,
            names_at: place(0)?,
            units_at: place(1)?,
            files_at: place(2)?,
            pcs_at: place(3)?,
            rows_at: place(4)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn magics_of_other_generations_are_refused() {
        let header = |magic: u32| [&magic.to_le_bytes()[..], &[0, 0, 1, 8]].concat();
        let read = |magic: u32| Generation::read(&header(magic));
        assert_eq!(read(0xffff_fff1), Some(Generation::StartLines));
        assert_eq!(read(0xffff_fff0), Some(Generation::Relative));
        assert_eq!(read(0xffff_fffa), Some(Generation::Absolute));
        assert_eq!(read(0xffff_fffb), None);
        assert_eq!(Generation::read(&header(0xffff_fff1)[..7]), None);
    }
}
