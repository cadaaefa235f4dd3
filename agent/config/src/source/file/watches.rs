//! Events of the kernel about the folders of a chain.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    io,
    path::Path,
};

use inotify::{Event, EventMask, Inotify, WatchDescriptor, WatchMask};
use tokio::io::{Interest, unix::AsyncFd};

use super::chain::{self, DATA};

/// What can change which content a path leads to. A write counts when the file is closed: until then it
/// may be empty or half written.
const CHANGES: WatchMask = WatchMask::CLOSE_WRITE
    .union(WatchMask::CREATE)
    .union(WatchMask::DELETE)
    .union(WatchMask::MOVED_FROM)
    .union(WatchMask::MOVED_TO)
    .union(WatchMask::DELETE_SELF)
    .union(WatchMask::MOVE_SELF)
    .union(WatchMask::ONLYDIR);

/// The folders on the way to a path, watched.
pub(super) struct Watches {
    inotify: AsyncFd<Inotify>,
    folders: Vec<(WatchDescriptor, BTreeSet<OsString>)>,
}

impl Watches {
    /// Watches the way to `path` as it is now.
    ///
    /// # Errors
    /// When the kernel refuses: no watches or no files are left for this user.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let inotify = Inotify::init()?;
        let mut folders = Vec::new();
        for (folder, names) in chain::of(path) {
            match inotify.watches().add(&folder, CHANGES) {
                Ok(descriptor) => folders.push((descriptor, names)),
                // It went away since the chain was read: the folder above tells.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let inotify = AsyncFd::with_interest(inotify, Interest::READABLE)?;
        Ok(Self { inotify, folders })
    }

    /// Returns when the path may lead to something else than before.
    pub(super) async fn news(&mut self) {
        let mut buffer = [0; 4096];
        loop {
            let Ok(mut ready) = self.inotify.readable_mut().await else {
                // The runtime is shutting down.
                return std::future::pending().await;
            };
            match ready.get_inner_mut().read_events(&mut buffer) {
                Ok(mut events) => {
                    if events.any(|event| concerns(&event, &self.folders)) {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                // What was missed is not known: read again.
                Err(_) => return,
            }
        }
    }
}

fn concerns(event: &Event<&OsStr>, folders: &[(WatchDescriptor, BTreeSet<OsString>)]) -> bool {
    // Events were lost, or a watch came to its end: anything may have happened.
    let lost = EventMask::Q_OVERFLOW | EventMask::IGNORED | EventMask::UNMOUNT;
    let ended = EventMask::DELETE_SELF | EventMask::MOVE_SELF;
    if event.mask.intersects(lost | ended) {
        return true;
    }
    let Some(name) = event.name else {
        return true;
    };
    let names = folders.iter().find(|(watch, _)| *watch == event.wd);
    names.is_none_or(|(_, names)| match names.is_empty() {
        true => name == DATA || !name.as_encoded_bytes().starts_with(b"."),
        false => names.contains(name),
    })
}
