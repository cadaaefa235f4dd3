//! What a file is, whatever its name, device and inode.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use ring::digest::{Context, SHA256};

/// Names the content of a file: containers of one image have the same under many inodes.
///
/// All of it is hashed, not some parts. With parts, whoever builds a file that agrees in these could
/// decide where probes go in somebody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Content {
    size: u64,
    hash: [u8; 32],
}

impl Content {
    /// Reads a file of `size` bytes.
    ///
    /// # Errors
    /// When it cannot be read, or ends before.
    pub(super) fn of(file: &File, size: u64) -> io::Result<Self> {
        let mut context = Context::new(&SHA256);
        let mut chunk = vec![0; 64 << 10];
        let mut done = 0;
        while done < size {
            let length = usize::try_from(size - done).unwrap_or(usize::MAX);
            let part = chunk.get_mut(..length.min(64 << 10)).unwrap_or_default();
            file.read_exact_at(part, done)?;
            context.update(part);
            done += part.len() as u64;
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        Ok(Self { size, hash })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_anywhere_makes_another_content() {
        let content = |bytes: &[u8]| {
            let (file, _) = crate::resolve::sandbox::scratch_file().expect("a place for it");
            file.write_all_at(bytes, 0).expect("written");
            Content::of(&file, bytes.len() as u64).expect("readable")
        };
        let mut bytes = vec![7; 200_000];
        let first = content(&bytes);
        assert_eq!(content(&bytes), first);
        bytes[100_000] = 8;
        assert_ne!(content(&bytes), first);
    }

    #[test]
    fn a_file_that_is_shorter_than_stated_is_an_error() {
        let (file, _) = crate::resolve::sandbox::scratch_file().expect("a place for it");
        assert!(Content::of(&file, 1).is_err());
    }
}
