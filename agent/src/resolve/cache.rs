//! Resolved binaries, kept while they are likely to be met again.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    BinaryInfo, ResolveError,
    content::{Content, Outline},
};
use crate::discovery::BinaryKey;

/// What resolving a binary gave: the same answer for every process of it.
pub type Resolved = Result<Arc<BinaryInfo>, Arc<ResolveError>>;

/// Answers kept at most, by file and by content.
const LIMIT: usize = 512;
/// How long a first failure that may pass is left alone; each further one doubles it.
const FIRST_REST: Duration = Duration::from_secs(30);
/// Doublings at most: about an hour.
const DOUBLINGS: u32 = 7;

/// One file as it is now.
///
/// Inodes and times alone are not enough: images mounted by squashfs or overlay use them again, and
/// reproducible builds set them all to the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FileKey {
    /// What the file system says without reading it.
    pub(super) binary: BinaryKey,
    /// Its ends.
    pub(super) outline: Outline,
}

/// Answers by file, which costs next to nothing to ask, and by content, which costs reading the file.
#[derive(Debug, Default)]
pub(super) struct Cache {
    by_file: HashMap<FileKey, Entry>,
    by_content: HashMap<Content, Resolved>,
    /// What was in a file when it was read whole.
    contents: HashMap<FileKey, Content>,
    /// Of the contents above: only a file with one of these can have one of those.
    outlines: HashSet<Outline>,
}

#[derive(Debug)]
enum Entry {
    Settled(Resolved),
    /// Failed in a way that may pass; to be tried again from `due` on.
    Resting {
        failures: u32,
        due: Instant,
        error: Arc<ResolveError>,
    },
}

impl Cache {
    /// The answer for a file, unless it is due to be looked at.
    pub(super) fn file(&self, key: &FileKey, now: Instant) -> Option<Resolved> {
        match self.by_file.get(key)? {
            Entry::Settled(answer) => Some(answer.clone()),
            Entry::Resting { due, error, .. } => (now < *due).then(|| Err(Arc::clone(error))),
        }
    }

    /// Whether a content with this outline may be known.
    pub(super) fn may_know(&self, outline: &Outline) -> bool {
        self.outlines.contains(outline)
    }

    /// The answer for a content that was met in another file.
    pub(super) fn content(&self, content: &Content) -> Option<Resolved> {
        self.by_content.get(content).cloned()
    }

    /// The content of a file, when it was read before.
    pub(super) fn file_content(&self, key: &FileKey) -> Option<Content> {
        self.contents.get(key).copied()
    }

    /// Remembers what is in a file.
    pub(super) fn put_file_content(&mut self, key: FileKey, content: Content) {
        if self.contents.len() >= LIMIT {
            self.contents.clear();
        }
        self.contents.insert(key, content);
    }

    /// Remembers what a file gave.
    pub(super) fn put_file(&mut self, key: FileKey, answer: &Resolved, now: Instant) {
        // A full cache is emptied: to fill it again costs milliseconds for each binary.
        if self.by_file.len() >= LIMIT {
            self.by_file.clear();
        }
        let entry = match answer {
            Err(error) if error.is_transient() => self.rest(&key, error, now),
            settled => Entry::Settled(settled.clone()),
        };
        self.by_file.insert(key, entry);
    }

    /// Remembers what a content gave, unless the next look at it may end otherwise.
    pub(super) fn put_content(&mut self, outline: Outline, content: Content, answer: &Resolved) {
        if self.by_content.len() >= LIMIT {
            self.by_content.clear();
            self.outlines.clear();
        }
        if !answer.as_ref().is_err_and(|error| error.is_transient()) {
            self.by_content.insert(content, answer.clone());
            self.outlines.insert(outline);
        }
    }

    fn rest(&self, key: &FileKey, error: &Arc<ResolveError>, now: Instant) -> Entry {
        let failures = match self.by_file.get(key) {
            Some(Entry::Resting { failures, .. }) => (failures + 1).min(DOUBLINGS),
            _ => 0,
        };
        Entry::Resting {
            failures,
            due: now + FIRST_REST * 2_u32.pow(failures),
            error: Arc::clone(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::*;

    fn key(inode: u64) -> FileKey {
        FileKey {
            binary: BinaryKey {
                device: 1,
                inode,
                size: 0,
                modified_ns: 0,
                changed_ns: 0,
            },
            outline: outline(b""),
        }
    }

    fn outline(bytes: &[u8]) -> Outline {
        let (file, _) = crate::resolve::sandbox::scratch_file().expect("a place for it");
        file.write_all_at(bytes, 0).expect("written");
        Outline::of(&file, bytes.len() as u64).expect("readable")
    }

    fn failure(error: ResolveError) -> Resolved {
        Err(Arc::new(error))
    }

    #[test]
    fn a_failure_that_may_pass_is_left_alone_for_longer_each_time() {
        let mut cache = Cache::default();
        let mut now = Instant::now();
        for rest in [30, 60, 120] {
            cache.put_file(key(1), &failure(ResolveError::Killed), now);
            now += Duration::from_secs(rest - 1);
            let known = cache.file(&key(1), now).expect("rests");
            assert_eq!(known.expect_err("failed").error_type(), "killed");
            now += Duration::from_secs(1);
            assert!(cache.file(&key(1), now).is_none(), "due after {rest} s");
        }
        for _ in 0..40 {
            cache.put_file(key(1), &failure(ResolveError::Killed), now);
        }
        assert!(
            cache
                .file(&key(1), now + Duration::from_secs(3900))
                .is_none()
        );
    }

    #[test]
    fn a_verdict_on_the_file_stays() {
        let mut cache = Cache::default();
        let now = Instant::now();
        cache.put_file(key(1), &failure(ResolveError::ForbiddenCall), now);
        let later = now + Duration::from_secs(1 << 20);
        assert!(cache.file(&key(1), later).is_some());
        assert!(cache.file(&key(2), now).is_none());
        let other = FileKey {
            outline: outline(b"another image with the same inode"),
            ..key(1)
        };
        assert!(cache.file(&other, now).is_none());
    }

    #[test]
    fn memory_is_bounded() {
        let mut cache = Cache::default();
        for inode in 0..10 * LIMIT as u64 {
            cache.put_file(
                key(inode),
                &failure(ResolveError::ForbiddenCall),
                Instant::now(),
            );
            assert!(cache.by_file.len() <= LIMIT);
        }
    }
}
