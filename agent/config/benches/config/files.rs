//! A file changes until the document is in force: renamed over, and as a ConfigMap that is swapped. The document
//! has 200 servers; the process that writes hears of the number in force from the one that watches.

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::symlink,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{Server, times::Times};

const CHANGES: u32 = 200;
const GOAL_MS: f64 = 300.0;
/// Between two changes: no multiple of anything in the watcher.
const PAUSE: Duration = Duration::from_millis(37);

pub(crate) fn measure(folder: &Path) -> [Value; 2] {
    let folder = folder.join("files");
    fs::create_dir_all(folder.join("map")).unwrap();
    rename(&folder, 0);
    swap(&folder, 0);
    let mut server = Server::start(&folder, ".");
    let _port = server.answer();
    let mut started = [server.answer(), server.answer()];
    started.sort();
    assert_eq!(started, ["file 0", "map 0"]);
    let mut measure = |case: &str, document: &str, change: fn(&Path, u32)| {
        let mut times = Times::default();
        for number in 1..=CHANGES {
            let start = Instant::now();
            change(&folder, number);
            assert_eq!(server.answer(), format!("{document} {number}"));
            times.add(start.elapsed());
            thread::sleep(PAUSE);
        }
        times.case(case, GOAL_MS)
    };
    [
        measure(
            "a file is renamed over, until it is in force",
            "file",
            rename,
        ),
        measure("a ConfigMap is swapped, until it is in force", "map", swap),
    ]
}

fn text(number: u32) -> String {
    let mut text = format!("number: {number}\nservers:\n");
    for server in 0..200 {
        writeln!(
            text,
            "  - {{host: 10.0.0.{server}, port: 8080, weight: {number}}}"
        )
        .unwrap();
    }
    text
}

fn rename(folder: &Path, number: u32) {
    let beside = folder.join(".file.new");
    fs::write(&beside, text(number)).unwrap();
    fs::rename(beside, folder.join("file.yaml")).unwrap();
}

/// As kubelet does it.
fn swap(folder: &Path, number: u32) {
    let map = folder.join("map");
    let version = format!("..{number}");
    fs::create_dir(map.join(&version)).unwrap();
    fs::write(map.join(&version).join("app.yaml"), text(number)).unwrap();
    let old = fs::read_link(map.join("..data")).ok();
    symlink(&version, map.join("..data_tmp")).unwrap();
    fs::rename(map.join("..data_tmp"), map.join("..data")).unwrap();
    match old {
        Some(old) => fs::remove_dir_all(map.join(old)).unwrap(),
        None => symlink("..data/app.yaml", map.join("app.yaml")).unwrap(),
    }
}
