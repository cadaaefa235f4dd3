//! A ConfigMap that is swapped many times a second.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use config::{Documents, Happened, Reveal};

use super::{Folder, Node, definition, id};

/// How often, and how fast.
pub(crate) struct Pace {
    pub(crate) swaps: u32,
    pub(crate) every: Duration,
}

/// Swaps a ConfigMap whose two files carry the same number. Asserts that no reader ever sees two numbers, or an
/// older one after a newer one; that nothing but changes is told; and that the last swap is in force at the end.
pub(crate) async fn swapped(pace: Pace) {
    let folder = Folder::new();
    let swap = |number: u32| {
        let (a, b) = (format!("port: {number}"), format!("copy: {number}"));
        let files = [("a.yaml", a.as_str()), ("b.yaml", b.as_str())];
        folder.swap("map", &number.to_string(), &files)
    };
    let map = swap(1);
    let mut node = Node::start(&folder);
    let _handle = node.watcher.watch(definition(&map)).await;
    assert_eq!(node.next().await, Happened::Applied { generation: 1 });

    let is_over = Arc::new(AtomicBool::new(false));
    let readers = [(); 2].map(|()| read(node.watcher.documents(), &is_over));
    let start = Instant::now();
    for number in 2..=pace.swaps {
        swap(number);
        tokio::time::sleep_until((start + pace.every * number).into()).await;
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    while node.document()["port"] != pace.swaps {
        assert!(Instant::now() < deadline, "the last swap is not seen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    is_over.store(true, Ordering::Relaxed);
    for reader in readers {
        let newest = reader.join().expect("saw no mixture");
        assert!(newest > 1, "saw changes");
    }
    let events = node.watcher.events().since(1);
    let told = events.into_iter().map(|event| event.what);
    let applied = (2..=node.generation()).map(|generation| Happened::Applied { generation });
    assert_eq!(told.collect::<Vec<_>>(), applied.collect::<Vec<_>>());
}

/// Reads all the time, and returns the newest number.
fn read(documents: &Arc<Documents>, is_over: &Arc<AtomicBool>) -> JoinHandle<u64> {
    let (documents, is_over) = (Arc::clone(documents), Arc::clone(is_over));
    thread::spawn(move || {
        let mut newest = 0;
        while !is_over.load(Ordering::Relaxed) {
            let published = documents.get(&id()).expect("in force");
            let json = published.value.to_json(Reveal::Plain);
            assert_eq!(json["port"], json["copy"], "a mixture");
            let port = json["port"].as_u64().expect("a number");
            assert!(port >= newest, "{port} after {newest}");
            newest = port;
            thread::sleep(Duration::from_millis(1));
        }
        newest
    })
}
