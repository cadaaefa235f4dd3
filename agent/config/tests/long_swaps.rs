//! A ConfigMap that is swapped a hundred times a second for ten seconds.

#[expect(dead_code, reason = "shared with tests that use all of it")]
#[path = "config/support/mod.rs"]
mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use config::{Happened, Reveal};
use support::{Folder, Node, definition, id};

const SWAPS: u32 = 1_000;
const EVERY: Duration = Duration::from_millis(10);

/// Two files of the ConfigMap carry the same number; a reader that ever sees two has seen a mixture.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_swaps_are_never_mixed_and_the_last_one_wins() {
    let folder = Folder::new();
    let swap = |number: u32| {
        let (a, b) = (format!("port: {number}"), format!("copy: {number}"));
        folder.swap(
            "map",
            &number.to_string(),
            &[("a.yaml", &a), ("b.yaml", &b)],
        )
    };
    let map = swap(1);
    let mut node = Node::start(&folder);
    let _handle = node.watcher.watch(definition(&map)).await;
    assert_eq!(node.next().await, Happened::Applied { generation: 1 });

    let is_over = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let documents = Arc::clone(node.watcher.documents());
            let is_over = Arc::clone(&is_over);
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
        })
        .collect();

    let start = Instant::now();
    for number in 2..=SWAPS {
        swap(number);
        let due = start + EVERY * number;
        tokio::time::sleep_until(due.into()).await;
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    while node.document()["port"] != SWAPS {
        assert!(Instant::now() < deadline, "the last swap is not seen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    is_over.store(true, Ordering::Relaxed);
    for reader in readers {
        let newest = reader.join().expect("saw no mixture");
        assert!(newest > 1, "saw changes");
    }
    for event in node.watcher.events().since(0) {
        assert!(matches!(event.what, Happened::Applied { .. }), "{event:?}");
    }
}
