//! Files and ConfigMaps as kubelet, editors and scripts change them.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use super::*;
use crate::source::{Inlet, channel};

/// A folder of one test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("golens-config-file-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    /// Makes the version `name` of a ConfigMap and swaps it in as kubelet does.
    fn swap(&self, name: &str, files: &[(&str, &str)]) {
        let version = format!("..{name}");
        fs::create_dir(self.0.join(&version)).expect("a version");
        for (file, text) in files {
            fs::write(self.0.join(&version).join(file), text).expect("a file");
        }
        let old = fs::read_link(self.0.join("..data")).ok();
        symlink(&version, self.0.join("..data_tmp")).expect("a link");
        fs::rename(self.0.join("..data_tmp"), self.0.join("..data")).expect("the swap");
        for (file, _) in files {
            // The first time only.
            drop(symlink(Path::new("..data").join(file), self.0.join(file)));
        }
        if let Some(old) = old {
            fs::remove_dir_all(self.0.join(old)).expect("the old version goes");
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Waits for a reading that `fits`.
async fn until(inlet: &mut Inlet, fits: impl Fn(&Result<Reading, SourceError>) -> bool) {
    let wait = async {
        loop {
            if inlet.take().as_ref().is_some_and(&fits) {
                return;
            }
            inlet.changed().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(10), wait).await;
    waited.expect("the source says so");
}

fn has(text: &'static str) -> impl Fn(&Result<Reading, SourceError>) -> bool {
    move |reading| match reading {
        Ok(Reading::Present(content)) => content
            .parts
            .iter()
            .any(|part| *part.bytes == *text.as_bytes()),
        _ => false,
    }
}

/// Watches `path` by events alone while `work` runs.
async fn watching<T>(path: &Path, work: impl AsyncFnOnce(Inlet) -> T) -> T {
    let source = FileSource::new(path).with_poll(Duration::from_secs(3_600));
    let (outlet, inlet) = channel();
    tokio::select! {
        () = source.watch(outlet) => unreachable!("a source does not end"),
        done = work(inlet) => done,
    }
}

#[tokio::test]
async fn every_way_to_save_a_file_is_seen() {
    let folder = Folder::new();
    let path = folder.0.join("app.yaml");
    fs::write(&path, "a: 1").expect("written");
    watching(&path, async |mut inlet| {
        until(&mut inlet, has("a: 1")).await;
        fs::write(&path, "a: 2").expect("in place");
        until(&mut inlet, has("a: 2")).await;
        fs::write(folder.0.join(".app.yaml.swp"), "a: 3").expect("beside");
        fs::rename(folder.0.join(".app.yaml.swp"), &path).expect("renamed over");
        until(&mut inlet, has("a: 3")).await;
        fs::remove_file(&path).expect("removed");
        until(&mut inlet, |reading| *reading == Ok(Reading::Absent)).await;
        fs::write(&path, "a: 4").expect("made again");
        until(&mut inlet, has("a: 4")).await;
        fs::remove_dir_all(&folder.0).expect("removed with its folder");
        until(&mut inlet, |reading| *reading == Ok(Reading::Absent)).await;
        fs::create_dir(&folder.0).expect("made again");
        fs::write(&path, "a: 5").expect("made again");
        until(&mut inlet, has("a: 5")).await;
    })
    .await;
}

#[tokio::test]
async fn a_config_map_is_read_as_one_version_after_its_swap() {
    let folder = Folder::new();
    folder.swap("2026_a", &[("app.yaml", "a: 1"), ("db.toml", "b = 1")]);
    watching(&folder.0, async |mut inlet| {
        until(&mut inlet, has("b = 1")).await;
        folder.swap("2026_b", &[("app.yaml", "a: 2"), ("db.toml", "b = 2")]);
        until(&mut inlet, |reading| {
            let Ok(Reading::Present(content)) = reading else {
                return false;
            };
            let texts: Vec<_> = content.parts.iter().map(|part| &*part.bytes).collect();
            texts == [&b"a: 2"[..], b"b = 2"] && content.version.0 == "..2026_b"
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_file_of_a_config_map_is_followed_through_its_links() {
    let folder = Folder::new();
    folder.swap("2026_a", &[("app.yaml", "a: 1")]);
    watching(&folder.0.join("app.yaml"), async |mut inlet| {
        until(&mut inlet, has("a: 1")).await;
        for (name, text) in [("2026_b", "a: 2"), ("2026_c", "a: 3"), ("2026_d", "a: 4")] {
            folder.swap(name, &[("app.yaml", text)]);
            until(&mut inlet, has(text)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_file_that_is_emptied_and_then_filled_is_never_read_empty() {
    let folder = Folder::new();
    let path = folder.0.join("app.yaml");
    fs::write(&path, "a: 1").expect("written");
    watching(&path, async |mut inlet| {
        until(&mut inlet, has("a: 1")).await;
        let writer = {
            let path = path.clone();
            spawn_blocking(move || {
                for _ in 0..50 {
                    fs::write(&path, "").expect("emptied");
                    fs::write(&path, "a: 2").expect("filled");
                }
                fs::write(&path, "a: 3").expect("filled");
            })
        };
        until(&mut inlet, |reading| {
            assert!(!has("")(reading), "an empty reading");
            has("a: 3")(reading)
        })
        .await;
        writer.await.expect("the writer is done");
    })
    .await;
}

/// The kernel's queue is full of events about other files when the file changes: only the overflow tells.
#[tokio::test(flavor = "current_thread")]
async fn a_change_behind_a_full_queue_is_seen() {
    let folder = Folder::new();
    let path = folder.0.join("app.yaml");
    fs::write(&path, "a: 1").expect("written");
    let most = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").expect("a limit");
    let most: usize = most.trim().parse().expect("a number");
    watching(&path, async |mut inlet| {
        until(&mut inlet, has("a: 1")).await;
        // Nobody reads events meanwhile: this is the only thread.
        let (a, b) = (folder.0.join("noise-a"), folder.0.join("noise-b"));
        fs::write(&a, "").expect("noise");
        for _ in 0..=most / 4 {
            fs::rename(&a, &b).expect("noise");
            fs::rename(&b, &a).expect("noise");
        }
        fs::write(&path, "a: 2").expect("the change");
        until(&mut inlet, has("a: 2")).await;
    })
    .await;
}

/// No event tells of it when a file is mounted by itself; here the file is replaced out of sight of a
/// source that has no events.
#[tokio::test]
async fn without_events_the_clock_finds_a_change() {
    let folder = Folder::new();
    let path = folder.0.join("app.yaml");
    fs::write(&path, "a: 1").expect("written");
    let writer = fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .expect("opened");
    let source = FileSource::new(&path).with_poll(Duration::from_millis(100));
    let (outlet, mut inlet) = channel();
    tokio::select! {
        () = source.watch(outlet) => unreachable!("a source does not end"),
        () = async {
            until(&mut inlet, has("a: 1")).await;
            // The writer keeps the file open, so there is no event that counts.
            std::os::unix::fs::FileExt::write_all_at(&writer, b"a: 2", 0).expect("written");
            until(&mut inlet, has("a: 2")).await;
        } => {}
    }
    drop(writer);
}

#[tokio::test]
async fn what_is_no_file_says_so() {
    let folder = Folder::new();
    let socket = folder.0.join("socket.yaml");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("bound");
    let read = FileSource::new(&socket).read_now().await;
    let error = read.expect_err("is no file");
    assert_eq!(error.place, socket.display().to_string());
}
