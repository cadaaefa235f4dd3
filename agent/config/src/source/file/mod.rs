//! A file, or a folder whose files belong together, such as a mounted ConfigMap.
//!
//! kubelet changes a ConfigMap by renaming a new link over `..data`; a watch on the file itself would
//! stay on the old inode and see nothing. So every folder on the way to the file is watched, links
//! included, and all files of one version are read from the folder that the link names. Mounts of
//! single files (`subPath`), network file systems and a full queue of the kernel give no events: the
//! content is read every 30 s as well.

mod chain;
mod read;
mod watches;

use std::{path::PathBuf, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio::task::spawn_blocking;

use self::watches::Watches;
use super::{Kind, Outlet, Reading, Source, SourceError, SourceId};
use crate::Format;

/// Reads a file or a folder, and reads it again when it may have changed.
#[derive(Clone, Debug)]
pub struct FileSource {
    path: Arc<PathBuf>,
    format: Option<Format>,
    poll: Duration,
}

impl FileSource {
    /// A file, or a folder: its files are read in the order of their names, later ones win, hidden ones
    /// and folders in it are left out.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: Arc::new(path.into()),
            format: None,
            poll: Duration::from_secs(30),
        }
    }

    /// The same, read as `format` whatever its name says.
    #[must_use]
    pub fn with_format(mut self, format: Format) -> Self {
        self.format = Some(format);
        self
    }

    /// The same, read at least this often.
    #[must_use]
    pub fn with_poll(mut self, poll: Duration) -> Self {
        self.poll = poll;
        self
    }

    async fn read_now(&self) -> Result<Reading, SourceError> {
        let (path, format) = (Arc::clone(&self.path), self.format);
        let reading = spawn_blocking(move || read::read(&path, format)).await;
        reading.unwrap_or_else(|error| {
            Err(SourceError {
                place: self.path.display().to_string(),
                reason: error.to_string(),
            })
        })
    }
}

impl Source for FileSource {
    fn id(&self) -> SourceId {
        SourceId {
            kind: Kind::File,
            name: self.path.display().to_string(),
        }
    }

    fn read(&self) -> BoxFuture<'_, Result<Reading, SourceError>> {
        Box::pin(self.read_now())
    }

    fn watch(&self, outlet: Outlet) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            loop {
                // Watched first, read second: a change between the two is seen.
                let watches = Watches::of(&self.path);
                outlet.put(self.read_now().await);
                match watches {
                    Ok(mut watches) => {
                        // When the time is up it is read all the same.
                        let _news_or_time = tokio::time::timeout(self.poll, watches.news()).await;
                    }
                    Err(error) => {
                        let path = self.path.display();
                        tracing::warn!(%error, %path, poll = ?self.poll, "no file events, reading by the clock alone");
                        tokio::time::sleep(self.poll).await;
                    }
                }
            }
        })
    }
}

#[cfg(test)]
mod tests;
