//! Snapshots beside the file of the state.

use std::{
    fs::{self, File},
    io::{self, BufWriter},
    path::{Path, PathBuf},
};

use super::{SnapshotError, write};
use crate::{redb::sync_folder, store::Reader};

const SUFFIX: &str = "snapshot";

/// Writes a snapshot into `folder`, where it appears complete or not at all, and removes all but the newest
/// `most`.
pub(crate) fn keep(reader: &Reader, folder: &Path, most: usize) -> Result<PathBuf, SnapshotError> {
    let unfinished = folder.join("unfinished.tmp");
    let mut out = BufWriter::new(File::create(&unfinished)?);
    let summary = write(reader, &mut out)?;
    out.into_inner()
        .map_err(io::IntoInnerError::into_error)?
        .sync_all()?;
    // With leading zeros the order of names is that of revisions.
    let path = folder.join(format!("{:020}.{SUFFIX}", summary.revision.0));
    fs::rename(&unfinished, &path)?;
    sync_folder(&path)?;
    for old in kept(folder)?.into_iter().skip(most.max(1)) {
        fs::remove_file(old)?;
    }
    Ok(path)
}

/// The snapshots in `folder`, newest first.
pub(crate) fn kept(folder: &Path) -> Result<Vec<PathBuf>, crate::EngineError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|suffix| suffix == SUFFIX) {
            found.push(path);
        }
    }
    found.sort_by(|a, b| b.cmp(a));
    Ok(found)
}
