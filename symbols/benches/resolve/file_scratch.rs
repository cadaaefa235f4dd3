//! Expanded sections in an unlinked file: mapped pages that the kernel can take back.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::Mmap;
use symbols::{Fill, Kept, Scratch};

/// Makes one file per section in a directory, and removes its name at once.
#[derive(Debug)]
pub(crate) struct FileScratch {
    directory: PathBuf,
    next: AtomicU64,
}

impl FileScratch {
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            next: AtomicU64::new(0),
        }
    }

    fn unlinked(&self) -> io::Result<File> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let name = format!("scratch-{}-{number}", std::process::id());
        let path = self.directory.join(name);
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)?;
        fs::remove_file(path)?;
        Ok(file)
    }
}

impl Scratch for FileScratch {
    fn keep(&self, _len: u64, fill: Fill<'_>) -> io::Result<Kept> {
        let mut writer = BufWriter::new(self.unlinked()?);
        fill(&mut writer)?;
        writer.flush()?;
        // SAFETY: the file has no name and this process alone holds it open, so nobody changes it.
        let map = unsafe { Mmap::map(writer.get_ref()) }?;
        Ok(Box::new(map))
    }
}
