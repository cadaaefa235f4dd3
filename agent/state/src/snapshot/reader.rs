//! Reading a snapshot: to its end and against its hash, before anything is believed.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use super::{LONGEST, MAGIC, SnapshotError};
use crate::{
    Engine, EngineError, Revision, Row,
    digest::{SHA256_BYTES, Sha256},
    store::restored_rows,
};

/// Length of magic and revision.
const HEADER: u64 = 16;

/// A snapshot that was read to its end and has the hash that it claims, kept in a file without a name.
#[derive(Debug)]
pub(crate) struct Verified {
    file: File,
    revision: Revision,
    rows: u64,
}

impl Verified {
    /// Copies `snapshot` to a file in `folder`, which has no name any more when this returns, and verifies
    /// it on the way.
    pub(crate) fn spool(
        snapshot: Box<dyn Read + Send>,
        folder: &Path,
    ) -> Result<Self, SnapshotError> {
        let (file, path) = unnamed(folder)?;
        fs::remove_file(path)?;
        let mut input = Input {
            input: BufReader::new(snapshot),
            copy: BufWriter::new(&file),
            hash: Sha256::new(),
            bytes: 0,
        };
        if &input.array::<8>()? != MAGIC {
            return Err(SnapshotError::NotASnapshot);
        }
        let revision = Revision(u64::from_be_bytes(input.array()?));
        let mut rows = 0;
        while input.row()?.is_some() {
            rows += 1;
        }
        input.trailer(rows)?;
        Ok(Self {
            file,
            revision,
            rows,
        })
    }

    /// Revision of the newest change in it.
    pub(crate) fn revision(&self) -> Revision {
        self.revision
    }

    /// Makes this the whole state of `engine`, at `revision`.
    pub(crate) fn load(
        mut self,
        engine: &dyn Engine,
        revision: Revision,
    ) -> Result<(), SnapshotError> {
        self.file.seek(SeekFrom::Start(HEADER))?;
        let mut input = Input {
            input: BufReader::new(&self.file),
            copy: io::sink(),
            hash: Sha256::new(),
            bytes: HEADER,
        };
        let stored = (0..self.rows).map(|_| match input.row() {
            Ok(Some(row)) => Ok(row),
            Ok(None) => Err(spool_changed("fewer rows")),
            Err(error) => Err(spool_changed(&error.to_string())),
        });
        let own = restored_rows(revision).into_iter().map(Ok);
        Ok(engine.replace(&mut stored.chain(own))?)
    }
}

/// The file was verified a moment ago.
fn spool_changed(what: &str) -> EngineError {
    io::Error::other(format!("the verified copy of the snapshot changed: {what}")).into()
}

/// A new file in `folder`.
fn unnamed(folder: &Path) -> io::Result<(File, PathBuf)> {
    let name = crate::random_hex::<8>().ok_or_else(|| io::Error::other("no random numbers"))?;
    let path = folder.join(format!("restore-{name}.tmp"));
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)?;
    Ok((file, path))
}

/// Hashes, counts and copies what it reads.
struct Input<R, W> {
    input: R,
    copy: W,
    hash: Sha256,
    bytes: u64,
}

impl<R: Read, W: Write> Input<R, W> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), SnapshotError> {
        self.fill_unhashed(bytes)?;
        self.hash.update(bytes);
        Ok(())
    }

    fn fill_unhashed(&mut self, bytes: &mut [u8]) -> Result<(), SnapshotError> {
        self.input.read_exact(bytes).map_err(|error| {
            match error.kind() == io::ErrorKind::UnexpectedEof {
                true => SnapshotError::Truncated { bytes: self.bytes },
                false => error.into(),
            }
        })?;
        self.bytes += bytes.len() as u64;
        Ok(self.copy.write_all(bytes)?)
    }

    /// The next row; `None` at the end of them.
    fn row(&mut self) -> Result<Option<Row>, SnapshotError> {
        let at = self.bytes;
        let key = u32::from_be_bytes(self.array()?);
        let value = u32::from_be_bytes(self.array()?);
        if key == 0 {
            return Ok(None);
        }
        Ok(Some((self.piece(at, key)?, self.piece(at, value)?)))
    }

    /// Bytes of a claimed length. Memory grows with what is there, not with the claim.
    fn piece(&mut self, at: u64, length: u32) -> Result<Vec<u8>, SnapshotError> {
        if length > LONGEST {
            return Err(SnapshotError::Length { at, length });
        }
        let mut bytes = Vec::new();
        let mut piece = self.input.by_ref().take(u64::from(length));
        let read = piece.read_to_end(&mut bytes)?;
        self.bytes += read as u64;
        if bytes.len() < length as usize {
            return Err(SnapshotError::Truncated { bytes: self.bytes });
        }
        self.hash.update(&bytes);
        self.copy.write_all(&bytes)?;
        Ok(bytes)
    }

    /// Reads what comes behind the rows and compares it with what was read.
    fn trailer(mut self, rows: u64) -> Result<(), SnapshotError> {
        let claimed = u64::from_be_bytes(self.array()?);
        let hash = std::mem::replace(&mut self.hash, Sha256::new()).finish();
        let mut expected = [0; SHA256_BYTES];
        self.fill_unhashed(&mut expected)?;
        if hash != expected {
            return Err(SnapshotError::Hash);
        }
        if claimed != rows {
            return Err(SnapshotError::Rows {
                found: rows,
                claimed,
            });
        }
        if self.input.read(&mut [0])? != 0 {
            return Err(SnapshotError::Trailing { bytes: self.bytes });
        }
        Ok(self.copy.flush()?)
    }
}
