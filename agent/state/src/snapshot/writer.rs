//! Writing a snapshot.

use std::{
    io::{self, Write},
    ops::ControlFlow,
};

use super::{MAGIC, SnapshotError};
use crate::{Revision, digest::Sha256, store::Reader};

/// What a snapshot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Revision of the newest change in it.
    pub revision: Revision,
    /// Rows of all tables.
    pub rows: u64,
    /// Length of the stream.
    pub bytes: u64,
}

pub(crate) fn write(reader: &Reader, out: &mut dyn Write) -> Result<Summary, SnapshotError> {
    let revision = reader.revision()?;
    let mut out = Hashed {
        out,
        hash: Sha256::new(),
        bytes: 0,
    };
    out.put(MAGIC)?;
    out.put(&revision.0.to_be_bytes())?;
    let mut rows = 0_u64;
    let mut failed = None;
    reader.all(&mut |key, value| match out.row(key, value) {
        Ok(()) => {
            rows += 1;
            ControlFlow::Continue(())
        }
        Err(error) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    })?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    out.put(&[0; 8])?;
    out.put(&rows.to_be_bytes())?;
    let bytes = out.finish()?;
    Ok(Summary {
        revision,
        rows,
        bytes,
    })
}

/// Hashes and counts what it passes on.
struct Hashed<'a> {
    out: &'a mut dyn Write,
    hash: Sha256,
    bytes: u64,
}

impl Hashed<'_> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    fn row(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        for bytes in [key, value] {
            let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
            self.put(&length.to_be_bytes())?;
        }
        self.put(key)?;
        self.put(value)
    }

    /// Adds the hash. Returns the length of the stream.
    fn finish(self) -> io::Result<u64> {
        let hash = self.hash.finish();
        self.out.write_all(&hash)?;
        self.out.flush()?;
        Ok(self.bytes + hash.len() as u64)
    }
}
