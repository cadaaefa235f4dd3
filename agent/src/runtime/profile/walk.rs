//! Goes through all goroutines of a process, a thousand at a time.
//!
//! go-sym: runtime.allgs 1.17..=1.27 proc.go
//!
//! The list only grows, and a goroutine's struct is never freed: ended ones are used again. When the list
//! needs more room it moves, and the old place is given up; so each part of it is copied together with its
//! address, and copied again when that has changed.

use super::{
    facts::GoroutineFields,
    gather::{self, PLACES, Place, Window},
};
use crate::runtime::ReadError;

/// Size of a pointer.
const POINTER: usize = 8;
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
    /// Number in the list and address of each struct in `structs`.
    found: Vec<(usize, u64)>,
}

impl Walker {
    /// Reads the length of the list, ended goroutines included.
    ///
    /// # Errors
    /// When memory cannot be read.
    pub(super) fn length(&mut self, pid: u32, list: List) -> Result<u64, ReadError> {
        gather::gather(pid, &[(list.length, POINTER)], &mut self.pointers)?;
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
            self.places.clear();
            self.found.clear();
            for entry in 0..part {
                let address = word(&self.pointers, entry);
                if address != 0 {
                    let fields = address.wrapping_add(u64::from(from));
                    self.places.push((fields, width));
                    self.found.push((first + entry, address));
                }
            }
            if !self.places.is_empty() {
                gather::gather(pid, &self.places, &mut self.structs)?;
            }
            for ((number, address), bytes) in self.found.iter().zip(self.structs.chunks(width)) {
                each(*number, *address, Window { bytes, from });
            }
            first += part;
        }
        Ok(())
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
            gather::gather(pid, &[pointer], &mut self.pointers)?;
            start = word(&self.pointers, 0);
            let part = (start.wrapping_add(offset), count * POINTER);
            gather::gather(pid, &[part, pointer], &mut self.pointers)?;
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
