//! A directory for the files of one test.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

/// The workspace's target directory, where nothing is under version control.
pub(crate) fn target_dir() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    // An absolute path replaces the workspace's.
    workspace.join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// A number that no other part of this test process has.
pub(super) fn unique() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A fresh directory, removed when the test has passed and kept when it panics.
#[derive(Debug)]
pub struct RunDir(PathBuf);

impl RunDir {
    /// Creates one.
    ///
    /// # Panics
    /// When the directory cannot be made.
    #[must_use]
    pub fn new() -> Self {
        let name = format!("run-{}-{}", process::id(), unique());
        let path = target_dir().join("golens-tests").join(name);
        fs::create_dir_all(&path).unwrap_or_else(|error| panic!("create {path:?}: {error}"));
        Self(path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Default for RunDir {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        if thread::panicking() {
            return;
        }
        if let Err(error) = fs::remove_dir_all(&self.0) {
            assert!(!self.0.exists(), "remove {:?}: {error}", self.0);
        }
    }
}
