//! What a file is, whatever its name, device and inode.

use std::{
    fs::File,
    io,
    ops::Range,
    os::unix::fs::FileExt as _,
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use ring::digest::{Context, SHA256};

/// Bytes read at once, and looked at from each end for an [`Outline`].
const PART: u64 = 64 << 10;

/// Size, head and tail of a file: files that differ in it differ in content, and it is cheap to read.
///
/// That two files agree in it proves nothing: whoever builds such a file could decide where probes go in
/// somebody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Outline {
    size: u64,
    ends: [u8; 32],
}

impl Outline {
    /// Reads both ends of a file of `size` bytes.
    ///
    /// # Errors
    /// When it cannot be read, or ends before.
    pub(super) fn of(file: &File, size: u64) -> io::Result<Self> {
        let head = 0..size.min(PART);
        let tail = size.saturating_sub(PART)..size;
        let ends = digest(file, [head, tail])?;
        Ok(Self { size, ends })
    }
}

/// Names the whole content of a file: containers of one image have the same under many inodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Content([u8; 32]);

impl Content {
    /// Reads a file of `size` bytes.
    ///
    /// # Errors
    /// When it cannot be read, or ends before.
    pub(super) fn of(file: &File, size: u64) -> io::Result<Self> {
        digest(file, std::iter::once(0..size)).map(Self)
    }
}

/// A content that a thread of its own reads: on a file system that does not answer, the thread is left
/// behind and nobody waits for it.
#[derive(Debug)]
pub(super) struct Reading {
    found: Receiver<io::Result<Content>>,
    deadline: Instant,
}

impl Reading {
    /// Begins to read a file of `size` bytes, which may take `patience`.
    ///
    /// # Errors
    /// When there is no descriptor or no thread left.
    pub(super) fn start(file: &File, size: u64, patience: Duration) -> io::Result<Self> {
        let file = file.try_clone()?;
        let (sender, found) = mpsc::sync_channel(1);
        let read = move || {
            // Nobody listens any more when it came too late.
            let _late = sender.send(Content::of(&file, size));
        };
        thread::Builder::new()
            .name("golens-content".to_owned())
            .spawn(read)?;
        Ok(Self {
            found,
            deadline: Instant::now() + patience,
        })
    }

    /// Waits for it.
    ///
    /// # Errors
    /// When the file cannot be read, or not in time.
    pub(super) fn finish(self) -> io::Result<Content> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let found = self.found.recv_timeout(left);
        found.unwrap_or_else(|_late| Err(io::ErrorKind::TimedOut.into()))
    }
}

fn digest(file: &File, parts: impl IntoIterator<Item = Range<u64>>) -> io::Result<[u8; 32]> {
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; usize::try_from(PART).unwrap_or_default()];
    for part in parts {
        let mut done = part.start;
        while done < part.end {
            let length = usize::try_from(PART.min(part.end - done)).unwrap_or_default();
            let chunk = buffer.get_mut(..length).unwrap_or_default();
            file.read_exact_at(chunk, done)?;
            context.update(chunk);
            done += length as u64;
        }
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8]) -> File {
        let (file, _) = crate::resolve::sandbox::scratch_file().expect("a place for it");
        file.write_all_at(bytes, 0).expect("written");
        file
    }

    #[test]
    fn one_byte_anywhere_makes_another_content() {
        let mut bytes = vec![7; 200_000];
        let read = |bytes: &[u8]| {
            let (file, size) = (file(bytes), bytes.len() as u64);
            let outline = Outline::of(&file, size).expect("readable");
            (outline, Content::of(&file, size).expect("readable"))
        };
        let first = read(&bytes);
        assert_eq!(read(&bytes), first);
        bytes[100_000] = 8;
        let middle = read(&bytes);
        assert_eq!(middle.0, first.0);
        assert_ne!(middle.1, first.1);
        bytes[199_999] = 8;
        assert_ne!(read(&bytes).0, middle.0);
        assert_ne!(read(&bytes[..150_000]).0, first.0);
    }

    #[test]
    fn a_file_that_does_not_answer_is_left_behind() {
        let (sender, found) = mpsc::sync_channel(1);
        let deadline = Instant::now();
        let reading = Reading { found, deadline };
        let error = reading.finish().expect_err("too late");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(sender);
    }

    #[test]
    fn a_file_that_is_shorter_than_stated_is_an_error() {
        assert!(Content::of(&file(b""), 1).is_err());
        let reading = Reading::start(&file(b""), 1, Duration::from_secs(60)).expect("started");
        let error = reading.finish().expect_err("nothing there");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(Outline::of(&file(b""), 1).is_err());
    }
}
