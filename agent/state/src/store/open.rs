//! Opening: a new file, a good one, or a damaged one.

use std::{
    fs, io,
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use super::{OpenError, Reader, Recovery, Store, meta};
use crate::{
    Engine, EngineError, RedbEngine, Revision, Row, Rows, Table,
    snapshot::{self, SnapshotError, Verified},
};

/// How to open a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// Memory for pages of the file, bytes.
    pub cache_bytes: usize,
    /// Most changes in one commit.
    pub group: usize,
    /// How many snapshots [`Store::keep_snapshot`] keeps.
    pub snapshots_kept: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_bytes: 2 << 20,
            group: 256,
            snapshots_kept: 3,
        }
    }
}

/// An open store, and what had to be done for it.
pub struct Opened {
    /// The store.
    pub store: Store,
    /// The file was damaged or gone: log it as an error.
    pub recovery: Option<Recovery>,
}

impl Store {
    /// Opens the file at `path`, or makes it. Its folder is made, too; snapshots lie in it.
    ///
    /// A damaged file is moved aside, the newest usable snapshot is restored, and [`Opened::recovery`]
    /// says so. The revision then begins at the microseconds since 1970, which is more than any number of
    /// changes that were made before, so that no index goes back even then.
    ///
    /// # Errors
    /// When the file is in use, of a format of another version, or cannot be read, written or moved.
    pub fn open(path: &Path, options: &Options) -> Result<Opened, OpenError> {
        let folder = folder(path);
        fs::create_dir_all(&folder).map_err(|source| OpenError::Folder {
            folder: folder.clone(),
            source,
        })?;
        let (engine, recovery) = match try_open(path, options) {
            Ok(Some(engine)) => (engine, None),
            Ok(None) if snapshot::kept(&folder)?.is_empty() => {
                let engine = create(path, options, Revision::FIRST)?;
                (engine, None)
            }
            Ok(None) => recover(path, &folder, options, None)?,
            Err(error @ EngineError::Corrupt { .. }) => {
                recover(path, &folder, options, Some(error))?
            }
            Err(error) => return Err(error.into()),
        };
        let store = Self::on(Box::new(engine), &folder, options)?;
        Ok(Opened { store, recovery })
    }

    /// A store on another engine, which may be empty; snapshots lie in `folder`.
    ///
    /// # Errors
    /// When the engine fails or holds rows of a format of another version.
    pub fn on(
        engine: Box<dyn Engine>,
        folder: &Path,
        options: &Options,
    ) -> Result<Self, OpenError> {
        let mut reader = Reader::new(engine.view()?);
        if reader.is_empty()? {
            let first = meta::first_rows(Revision::FIRST);
            let rows = first.iter().map(|(key, value)| (&**key, value.as_deref()));
            engine.commit(&mut { rows })?;
            reader = Reader::new(engine.view()?);
        }
        meta::check_format(&reader)?;
        let revision = meta::revision(&reader)?;
        let graves = count_graves(&reader)?;
        drop(reader);
        Self::start(engine, revision, graves, options, folder.to_owned())
    }
}

fn folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Opens the file at `path` and checks that it is whole and of our format; `None` when there is none.
fn try_open(path: &Path, options: &Options) -> Result<Option<RedbEngine>, EngineError> {
    match fs::metadata(path) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let engine = RedbEngine::open(path, options.cache_bytes)?;
    meta::check_format(&Reader::new(engine.view()?))?;
    Ok(Some(engine))
}

fn create(path: &Path, options: &Options, revision: Revision) -> Result<RedbEngine, EngineError> {
    let engine = RedbEngine::create(path, options.cache_bytes, &meta::first_rows(revision))?;
    Ok(engine)
}

/// Moves what is left of the file aside and begins anew, with the newest usable snapshot.
fn recover(
    path: &Path,
    folder: &Path,
    options: &Options,
    reason: Option<EngineError>,
) -> Result<(RedbEngine, Option<Recovery>), OpenError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let micros = now.map_or(Revision::FIRST.0, |now| {
        u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
    });
    let mut recovery = Recovery {
        moved_to: None,
        restored: None,
        unusable: Vec::new(),
        reason,
    };
    if recovery.reason.is_some() {
        recovery.moved_to = Some(move_aside(path, micros)?);
    }
    let engine = create(path, options, Revision(micros))?;
    for file in snapshot::kept(folder)? {
        match restore(&engine, &file, folder, Revision(micros)) {
            Ok(()) => {
                recovery.restored = Some(file);
                break;
            }
            Err(error) => recovery.unusable.push((file, error)),
        }
    }
    Ok((engine, Some(recovery)))
}

fn restore(
    engine: &RedbEngine,
    file: &Path,
    folder: &Path,
    least: Revision,
) -> Result<(), SnapshotError> {
    let verified = Verified::spool(Box::new(fs::File::open(file)?), folder)?;
    let revision = least.max(verified.revision()).next();
    verified.load(engine, revision)
}

fn move_aside(path: &Path, micros: u64) -> Result<PathBuf, OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".damaged-{micros}"));
    let aside = PathBuf::from(name);
    fs::rename(path, &aside).map_err(|source| OpenError::Aside {
        file: path.to_owned(),
        source,
    })?;
    Ok(aside)
}

/// The rows that make a restored state one at `revision`.
pub(crate) fn restored_rows(revision: Revision) -> Vec<Row> {
    let first = meta::first_rows(revision).into_iter();
    let rows = first.chain([meta::restored_row(revision)]);
    rows.filter_map(|(key, value)| Some((key, value?)))
        .collect()
}

/// How many tombstones there are.
pub(super) fn count_graves(reader: &Reader) -> Result<usize, EngineError> {
    let mut count = 0;
    reader.scan(Table::GRAVES, &[], &mut |_, _, _| {
        count += 1;
        ControlFlow::Continue(())
    })?;
    Ok(count)
}
