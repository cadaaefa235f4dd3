//! Room for expanded sections: a file without a name, which the kernel can write out and drop from memory.

use std::{
    fs::File,
    io::{self, BufWriter, Seek as _, SeekFrom, Write as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use memmap2::{Mmap, MmapOptions};
use symbols::{Fill, Kept, Scratch};

use crate::resolve::sandbox::ON_DISK;

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
    shortage: Option<String>,
}

impl FileScratch {
    /// Uses `file`, which nobody else uses, up to `capacity` bytes.
    pub(super) fn new(file: File, capacity: u64) -> Self {
        Self(Arc::new(Mutex::new(Room {
            file,
            capacity,
            end: 0,
            kept: 0,
            shortage: None,
        })))
    }

    /// Says why bytes were not kept that another machine would have kept: an answer that was made
    /// without them holds for this machine only.
    pub(super) fn shortage(&self) -> Option<String> {
        self.room().shortage.clone()
    }

    fn room(&self) -> MutexGuard<'_, Room> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Scratch for FileScratch {
    fn keep(&self, len: u64, fill: Fill<'_>) -> io::Result<Kept> {
        let mut room = self.room();
        let map = room.keep(len, fill)?;
        drop(room);
        Ok(Box::new(Section {
            map,
            room: self.clone(),
        }))
    }
}

impl Room {
    fn keep(&mut self, len: u64, fill: Fill<'_>) -> io::Result<Option<Mmap>> {
        let start = self.end.next_multiple_of(PAGE);
        // Writing past the limit of the process would end it.
        if len > self.capacity.saturating_sub(start) {
            // More than the whole of a disk's share is the file's own fault.
            if len <= ON_DISK {
                self.shortage = Some(format!("{} bytes are all there is", self.capacity));
            }
            return Err(io::ErrorKind::StorageFull.into());
        }
        let written = self.write(start, fill);
        let end = match written {
            Ok(end) => end,
            Err(Failed::Fill(error)) => return Err(error),
            Err(Failed::Machine(error)) => return Err(self.fails(error)),
        };
        let map = map(&self.file, start, end.saturating_sub(start));
        let map = map.map_err(|error| self.fails(error))?;
        self.end = end;
        self.kept += 1;
        Ok(map)
    }

    /// Answers the position behind the last byte.
    fn write(&mut self, start: u64, fill: Fill<'_>) -> Result<u64, Failed> {
        self.file
            .seek(SeekFrom::Start(start))
            .map_err(Failed::Machine)?;
        let mut writer = Watched {
            inner: BufWriter::new(&self.file),
            failed: false,
        };
        let filled = fill(&mut writer);
        let failed = writer.failed;
        filled.map_err(|error| match failed {
            true => Failed::Machine(error),
            false => Failed::Fill(error),
        })?;
        writer.flush().map_err(Failed::Machine)?;
        drop(writer);
        self.file.stream_position().map_err(Failed::Machine)
    }

    fn fails(&mut self, error: io::Error) -> io::Error {
        self.shortage = Some(error.to_string());
        error
    }
}

/// Whose failure it is that nothing was kept.
enum Failed {
    /// What was to be written could not be made.
    Fill(io::Error),
    /// It could not be written.
    Machine(io::Error),
}

/// Remembers that a write failed.
struct Watched<W> {
    inner: W,
    failed: bool,
}

impl<W: io::Write> io::Write for Watched<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes);
        self.failed |= written.is_err();
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
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
        let mut room = self.room.room();
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
        assert!(scratch.shortage().is_some());
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
        let absurd = scratch.keep(2 * ON_DISK, &mut |_| Ok(()));
        assert!(absurd.is_err());
        assert_eq!(scratch.shortage(), None, "the file's fault each time");
    }

    #[test]
    fn a_full_file_system_is_remembered() {
        let full = File::options()
            .read(true)
            .write(true)
            .open("/dev/full")
            .expect("a file that takes nothing");
        let scratch = FileScratch::new(full, 4 * PAGE);
        assert!(keep(&scratch, &[7; 100_000]).is_err());
        let why = scratch.shortage().expect("remembered");
        assert!(why.contains("No space left"), "{why}");
    }
}
