//! Events of the kernel about the folders of a chain.

use std::{collections::BTreeSet, ffi::OsString, io, path::Path};

use futures_util::StreamExt;
use inotify::{EventMask, EventOwned, EventStream, Inotify, WatchDescriptor, WatchMask};

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

/// Bytes of events that are read at once.
const BUFFER: usize = 4_096;

/// The folders on the way to a path, watched.
pub(super) struct Watches {
    events: EventStream<[u8; BUFFER]>,
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
        let events = inotify.into_event_stream([0; BUFFER])?;
        Ok(Self { events, folders })
    }

    /// Returns when the path may lead to something else than before.
    pub(super) async fn news(&mut self) {
        loop {
            match self.events.next().await {
                Some(Ok(event)) if !concerns(&event, &self.folders) => {}
                // An error: what was missed is not known, so read again.
                Some(_) => return,
                None => std::future::pending().await,
            }
        }
    }
}

fn concerns(event: &EventOwned, folders: &[(WatchDescriptor, BTreeSet<OsString>)]) -> bool {
    // Events were lost, or a watch came to its end: anything may have happened.
    let lost = EventMask::Q_OVERFLOW | EventMask::IGNORED | EventMask::UNMOUNT;
    let ended = EventMask::DELETE_SELF | EventMask::MOVE_SELF;
    if event.mask.intersects(lost | ended) {
        return true;
    }
    let Some(name) = &event.name else {
        return true;
    };
    let names = folders.iter().find(|(watch, _)| *watch == event.wd);
    names.is_none_or(|(_, names)| match names.is_empty() {
        true => name == DATA || !name.as_encoded_bytes().starts_with(b"."),
        false => names.contains(name),
    })
}
