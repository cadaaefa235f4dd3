//! A folder that goes with its test.

use std::{
    fs::{self, OpenOptions, Permissions},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use config::secrets::KeyFile;

static NEXT: AtomicU32 = AtomicU32::new(0);

pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("golens-secrets-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A key file of 32 equal bytes that only we may read.
    pub(crate) fn key_file(&self, name: &str, byte: u8) -> KeyFile {
        let path = self.path(name);
        write(&path, &[byte; 32]);
        KeyFile::new(path)
    }
}

fn write(path: &Path, bytes: &[u8]) {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .unwrap();
    file.write_all(bytes).unwrap();
    file.set_permissions(Permissions::from_mode(0o400)).unwrap();
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is in the folder for such things.
        drop(fs::remove_dir_all(&self.0));
    }
}
