//! Goes through all goroutines of a process, a thousand at a time.
//!
//! go-sym: runtime.allgs 1.17..=1.27 proc.go
//!
//! The list only grows, and a goroutine's struct is never freed: ended ones are used again. When the list
//! needs more room it moves, and the old place is given up; so each part of it is copied together with its
//! address, and copied again when that has changed.

use super::{facts::GoroutineFields, window::Window};
use crate::runtime::{
    ReadError,
    memory::{self, PLACES, Place},
};

/// Size of a pointer.
const POINTER: usize = 8;
/// Bytes between two structs that are copied along, far fewer than a page: nothing unreadable lies there.
const NEAR: usize = 512;
/// How often one part of the list is copied while the list moves.
const ATTEMPTS: usize = 4;

/// Where the list is, as run-time addresses.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    /// `runtime.allglen`.
    pub(super) length: u64,
    /// `runtime.allgptr`.
    pub(super) pointer: u64,
}

/// Buffers that are used again by the next walk.
#[derive(Debug, Default)]
pub(super) struct Walker {
    pointers: Vec<u8>,
    structs: Vec<u8>,
    places: Vec<Place>,
    /// Address of each struct, its number in the list, and where its fields are in `structs`.
    found: Vec<(u64, usize, usize)>,
}

impl Walker {
    /// Reads the length of the list, ended goroutines included.
    ///
    /// # Errors
    /// When memory cannot be read.
    pub(super) fn length(&mut self, pid: u32, list: List) -> Result<u64, ReadError> {
        memory::copy(pid, &[(list.length, POINTER)], &mut self.pointers)?;
        Ok(word(&self.pointers, 0))
    }

    /// Shows number in the list, address and fields of the first `count` goroutines to `each`.
    ///
    /// The length must have been read before: whatever list is found now is at least that long.
    ///
    /// # Errors
    /// When memory cannot be read, or the list does not hold still.
    pub(super) fn walk(
        &mut self,
        pid: u32,
        list: List,
        fields: &GoroutineFields,
        count: usize,
        mut each: impl FnMut(usize, u64, Window<'_>),
    ) -> Result<(), ReadError> {
        let (from, width) = span(&fields.of_all());
        let mut first = 0;
        while first < count {
            let part = PLACES.min(count - first);
            self.copy_pointers(pid, list, first, part)?;
            self.find(first, part, from, width);
            memory::copy(pid, &self.places, &mut self.structs)?;
            for &(address, number, at) in &self.found {
                let bytes = self.structs.get(at..at.saturating_add(width));
                let bytes = bytes.unwrap_or_default();
                each(number, address, Window { bytes, from });
            }
            first += part;
        }
        Ok(())
    }

    /// Works out what to copy for a part of the list.
    ///
    /// Most neighbours in the list are neighbours in memory: copied together, they cost a fraction.
    fn find(&mut self, first: usize, part: usize, from: u32, width: usize) {
        self.found.clear();
        self.places.clear();
        for entry in 0..part {
            let address = word(&self.pointers, entry);
            if address != 0 {
                self.found.push((address, first + entry, 0));
            }
        }
        self.found.sort_unstable();
        let mut copied = 0;
        for (address, _, at) in &mut self.found {
            let fields = address.wrapping_add(u64::from(from));
            let room = self.places.last_mut().and_then(|(start, length)| {
                let inside = usize::try_from(fields.checked_sub(*start)?).ok()?;
                let near = inside <= length.saturating_add(NEAR);
                near.then_some((length, inside))
            });
            match room {
                Some((length, inside)) => {
                    let longer = inside.saturating_add(width).max(*length);
                    *at = copied - *length + inside;
                    copied += longer - *length;
                    *length = longer;
                }
                None => {
                    *at = copied;
                    copied += width;
                    self.places.push((fields, width));
                }
            }
        }
    }

    /// Copies a part of the list that did not move meanwhile.
    fn copy_pointers(
        &mut self,
        pid: u32,
        list: List,
        first: usize,
        count: usize,
    ) -> Result<(), ReadError> {
        let pointer = (list.pointer, POINTER);
        let offset = u64::try_from(first * POINTER).unwrap_or(u64::MAX);
        let mut start = 0;
        for _attempt in 0..ATTEMPTS {
            memory::copy(pid, &[pointer], &mut self.pointers)?;
            start = word(&self.pointers, 0);
            let part = (start.wrapping_add(offset), count * POINTER);
            memory::copy(pid, &[part, pointer], &mut self.pointers)?;
            if word(&self.pointers, count) == start {
                return Ok(());
            }
        }
        Err(ReadError::Nonsense {
            pid,
            what: "runtime.allgptr, which moves all the time,",
            value: start,
        })
    }
}

/// First byte and length of what covers all of these fields.
pub(super) fn span(offsets: &[u32]) -> (u32, usize) {
    let first = offsets.iter().min().copied().unwrap_or(0);
    let last = offsets.iter().max().copied().unwrap_or(0);
    let width = usize::try_from(last - first).unwrap_or_default() + POINTER;
    (first, width)
}

fn word(bytes: &[u8], number: usize) -> u64 {
    let start = number * POINTER;
    let word = bytes.get(start..start + POINTER);
    word.and_then(|word| word.try_into().ok())
        .map_or(0, u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Structs side by side, apart, twice in the list and on their own are each found where they were copied.
    #[test]
    fn neighbours_are_copied_together() {
        let memory: Vec<u64> = (0..4_000).collect();
        let base = u64::try_from(memory.as_ptr().addr()).expect("fits");
        let at = |word: u64| base + 8 * word;
        let mut walker = Walker::default();
        let list = [at(60), at(10), 0, at(10), at(3_000), at(3_050), at(12)];
        walker.pointers = list.iter().flat_map(|word| word.to_le_bytes()).collect();
        walker.find(100, list.len(), 16, 24);
        assert_eq!(
            walker.places,
            [(at(12), 8 * 50 + 24), (at(3_002), 8 * 50 + 24)]
        );
        memory::copy(std::process::id(), &walker.places, &mut walker.structs).expect("own memory");
        let mut seen = Vec::new();
        for &(_, number, at) in &walker.found {
            let window = Window {
                bytes: &walker.structs[at..at + 24],
                from: 16,
            };
            seen.push((number, window.u64(16), window.u64(32)));
        }
        seen.sort_unstable();
        let expected = [
            (100, 62, 64),
            (101, 12, 14),
            (103, 12, 14),
            (104, 3_002, 3_004),
            (105, 3_052, 3_054),
            (106, 14, 16),
        ];
        assert_eq!(seen, expected);
    }
}
