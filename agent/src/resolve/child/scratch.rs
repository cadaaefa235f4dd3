//! Room for expanded sections: a file without a name, which the kernel can write out and drop from memory.

use std::{
    fs::File,
    io::{self, BufWriter, Seek as _, SeekFrom, Write as _},
    sync::{Arc, Mutex, PoisonError},
};

use memmap2::{Mmap, MmapOptions};
use symbols::{Fill, Kept, Scratch};

/// Mappings begin at multiples of this on every machine golens runs on.
const PAGE: u64 = 64 << 10;

/// Keeps sections one behind the other in the scratch file.
#[derive(Debug, Clone)]
pub(super) struct FileScratch(Arc<Mutex<Room>>);

#[derive(Debug)]
struct Room {
    file: File,
    capacity: u64,
    end: u64,
    kept: usize,
}

impl FileScratch {
    /// Uses `file`, which nobody else uses, up to `capacity` bytes.
    pub(super) fn new(file: File, capacity: u64) -> Self {
        Self(Arc::new(Mutex::new(Room {
            file,
            capacity,
            end: 0,
            kept: 0,
        })))
    }
}

impl Scratch for FileScratch {
    fn keep(&self, len: u64, fill: Fill<'_>) -> io::Result<Kept> {
        let mut room = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let start = room.end.next_multiple_of(PAGE);
        // Writing past the limit of the process would end it.
        if len > room.capacity.saturating_sub(start) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        room.file.seek(SeekFrom::Start(start))?;
        let mut writer = BufWriter::new(&room.file);
        fill(&mut writer)?;
        writer.flush()?;
        drop(writer);
        let end = room.file.stream_position()?;
        let map = map(&room.file, start, end.saturating_sub(start))?;
        room.end = end;
        room.kept += 1;
        drop(room);
        Ok(Box::new(Section {
            map,
            room: self.clone(),
        }))
    }
}

/// Maps what was written; nothing maps as nothing.
fn map(file: &File, start: u64, length: u64) -> io::Result<Option<Mmap>> {
    let length = usize::try_from(length).map_err(io::Error::other)?;
    if length == 0 {
        return Ok(None);
    }
    let mut options = MmapOptions::new();
    options.offset(start).len(length);
    // SAFETY: the file has no name and no other process that writes to it, and it is only cut once no
    // mapping of it is left.
    unsafe { options.map(file) }.map(Some)
}

/// One section that was kept.
struct Section {
    map: Option<Mmap>,
    room: FileScratch,
}

impl AsRef<[u8]> for Section {
    fn as_ref(&self) -> &[u8] {
        self.map.as_deref().unwrap_or_default()
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        self.map = None;
        let mut room = self.room.0.lock().unwrap_or_else(PoisonError::into_inner);
        room.kept -= 1;
        if room.kept == 0 && room.file.set_len(0).is_ok() {
            room.end = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(capacity: u64) -> FileScratch {
        let file = crate::resolve::sandbox::scratch_file().expect("a place for it");
        FileScratch::new(file.0, capacity)
    }

    fn keep(scratch: &FileScratch, bytes: &[u8]) -> io::Result<Kept> {
        scratch.keep(bytes.len() as u64, &mut |writer| writer.write_all(bytes))
    }

    #[test]
    fn sections_are_kept_side_by_side_and_give_their_room_back() {
        let scratch = scratch(4 * PAGE);
        let (first, second) = (vec![1; 100_000], vec![2; 70_000]);
        let (kept, other) = (keep(&scratch, &first), keep(&scratch, &second));
        let (kept, other) = (kept.expect("room"), other.expect("room"));
        assert_eq!((*kept).as_ref(), first);
        assert_eq!((*other).as_ref(), second);
        let full = keep(&scratch, &first).err().expect("no room");
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        drop((kept, other));
        let again = keep(&scratch, &first).expect("room again");
        assert_eq!((*again).as_ref(), first);
        let nothing = keep(&scratch, &[]).expect("nothing to keep");
        assert!((*nothing).as_ref().is_empty());
    }

    #[test]
    fn a_failure_to_fill_is_passed_on_and_keeps_nothing() {
        let scratch = scratch(PAGE);
        let failed = scratch.keep(10, &mut |_| Err(io::ErrorKind::InvalidData.into()));
        assert_eq!(
            failed.err().expect("failed").kind(),
            io::ErrorKind::InvalidData
        );
        assert!(keep(&scratch, &[7; 10]).is_ok());
    }
}
