//! A folder of a test's own.

use std::{
    fs,
    path::{Path, PathBuf},
};

use state::{Options, Store};

/// Removed when it goes out of scope.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let name = format!("golens-state-{}", state::random_hex::<8>().unwrap());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("state.redb")
    }

    /// Opens the store in it, which must need no recovery.
    pub(crate) fn open(&self) -> Store {
        let opened = Store::open(&self.file(), &Options::default()).unwrap();
        assert!(opened.recovery.is_none(), "{:?}", opened.recovery);
        opened.store
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}
