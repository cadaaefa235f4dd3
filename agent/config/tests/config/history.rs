//! Going back, pins, the start, and what is kept.

use std::{sync::Arc, time::Duration};

use crate::support::{Folder, Node, at, definition, id, running};
use config::{
    Cause, CommandError, FileSource, FixedSource, Format, Happened, NoMask, Reveal, Stage,
};
use serde_json::json;
use state::{Revision, Rows, Wake, audit};

#[tokio::test]
async fn a_rollback_pins_until_it_is_taken_away() {
    let folder = Folder::new();
    let (mut node, handle, _file) = running(&folder).await;
    folder.write("app.yaml", "port: 2\n");
    assert_eq!(node.next().await, Happened::Applied { generation: 2 });

    let number = handle
        .rollback(1, "ann", "port 2 is taken")
        .await
        .expect("goes back");
    assert_eq!(number, 3);
    assert_eq!(node.next().await, Happened::Applied { generation: 3 });
    let actor = "ann".to_owned();
    let rolled_back = Happened::RolledBack {
        generation: 3,
        to: 1,
        actor,
    };
    assert_eq!(node.next().await, rolled_back);
    assert_eq!(node.document(), json!({"port": 1}));

    folder.write("app.yaml", "port: 4\n");
    assert_eq!(node.next().await, Happened::Held { pinned: 3 });
    assert_eq!(node.document(), json!({"port": 1}));

    let number = handle
        .unpin("bob", "port 4 is free")
        .await
        .expect("follows again");
    assert_eq!(number, 4);
    assert_eq!(
        node.next().await,
        Happened::Unpinned {
            actor: "bob".to_owned()
        }
    );
    assert_eq!(node.next().await, Happened::Applied { generation: 4 });
    assert_eq!(node.document(), json!({"port": 4}));
    assert!(matches!(
        handle.unpin("bob", "").await,
        Err(CommandError::NotPinned)
    ));
    let none = handle.rollback(77, "ann", "").await;
    assert!(matches!(
        none,
        Err(CommandError::NoGeneration { number: 77 })
    ));

    let history = handle.history().expect("reads");
    let told: Vec<_> = history
        .iter()
        .map(|it| (it.number, it.cause, it.actor.as_str()))
        .collect();
    let expected = [
        (1, Cause::Change, "config"),
        (2, Cause::Change, "config"),
        (3, Cause::Rollback(1), "ann"),
        (4, Cause::Change, "config"),
    ];
    assert_eq!(told, expected);
    let change = &history[2].diff.changes[0];
    assert_eq!(
        (change.path.as_str(), &change.before, &change.after),
        ("port", &Some(json!(2)), &Some(json!(1)))
    );

    let rows = node.store.read().expect("reads");
    audit::verify(&rows).expect("the chain holds");
    let entries = audit::latest(&rows, 100).expect("reads");
    let told: Vec<_> = entries
        .iter()
        .map(|it| (it.actor.as_str(), it.action.as_str(), it.outcome.as_str()))
        .filter(|(actor, ..)| *actor != "config")
        .collect();
    let expected = [
        (
            "ann",
            "config.rollback",
            "generation 3 from 1: port 2 is taken",
        ),
        (
            "bob",
            "config.unpin",
            "generation 3 is no longer pinned: port 4 is free",
        ),
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_restart_changes_no_generation_and_no_revision() {
    let folder = Folder::new();
    let (mut node, handle, file) = running(&folder).await;
    folder.write("app.yaml", "port: 2\n");
    assert_eq!(node.next().await, Happened::Applied { generation: 2 });
    let before = node.watcher.documents().get(&id()).expect("in force");
    handle.close().await;
    drop(node);
    let node = Node::start(&folder);
    let _handle = node.watcher.watch(definition(&file)).await;
    node.nothing_else();
    let after = node.watcher.documents().get(&id()).expect("in force");
    assert_eq!(
        (after.generation, after.revision),
        (before.generation, before.revision)
    );
    assert_eq!(after.value.to_json(Reveal::Plain), json!({"port": 2}));
}

#[tokio::test]
async fn a_pin_survives_a_restart() {
    let folder = Folder::new();
    let (mut node, handle, file) = running(&folder).await;
    folder.write("app.yaml", "port: 2\n");
    assert_eq!(node.next().await, Happened::Applied { generation: 2 });
    handle.rollback(1, "ann", "").await.expect("goes back");
    handle.close().await;
    drop(node);
    let mut node = Node::start(&folder);
    let handle = node.watcher.watch(definition(&file)).await;
    assert_eq!(node.next().await, Happened::Held { pinned: 3 });
    assert_eq!(node.document(), json!({"port": 1}));
    handle.unpin("ann", "").await.expect("follows again");
    assert_eq!(node.document(), json!({"port": 2}));
}

#[tokio::test]
async fn a_start_with_a_broken_file_uses_the_last_good_generation() {
    let folder = Folder::new();
    let file = folder.write("app.yaml", "port: 1\n");
    let mut node = Node::start(&folder);
    let mut with_window = definition(&file);
    with_window.timing.health_window = Duration::from_millis(100);
    let handle = node.watcher.watch(with_window).await;
    assert_eq!(node.next().await, Happened::Applied { generation: 1 });
    assert_eq!(node.next().await, Happened::ProvedGood { generation: 1 });
    handle.close().await;
    // Another one is in force when the process ends, and it was not proved.
    let handle = node.watcher.watch(definition(&file)).await;
    folder.write("app.yaml", "port: 2\n");
    assert_eq!(node.next().await, Happened::Applied { generation: 2 });
    handle.close().await;
    drop(node);

    folder.write("app.yaml", "port: [\n");
    let mut node = Node::start(&folder);
    let _handle = node.watcher.watch(definition(&file)).await;
    assert!(matches!(
        node.next().await,
        Happened::Rejected {
            stage: Stage::Parse,
            ..
        }
    ));
    assert_eq!(node.next().await, Happened::Applied { generation: 3 });
    assert_eq!(
        node.next().await,
        Happened::StartedFromLastKnownGood { generation: 3 }
    );
    assert_eq!(node.document(), json!({"port": 1}));
    folder.write("app.yaml", "port: 5\n");
    assert_eq!(node.next().await, Happened::Applied { generation: 4 });
}

#[tokio::test]
async fn a_start_without_anything_usable_has_no_generation_and_says_so() {
    let folder = Folder::new();
    let file = folder.write("app.yaml", "port: many\n");
    let mut node = Node::start(&folder);
    let _handle = node.watcher.watch(definition(&file)).await;
    let Happened::Rejected { running: None, .. } = node.next().await else {
        panic!("is no refusal");
    };
    assert!(node.watcher.documents().get(&id()).is_none());
    folder.write("app.yaml", "port: 1\n");
    assert_eq!(node.next().await, Happened::Applied { generation: 1 });
}

#[tokio::test]
async fn layers_are_merged_by_precedence_and_every_value_knows_its_source() {
    let folder = Folder::new();
    let file = folder.write("app.toml", "port = 2\nname = 'file'\n");
    let mut node = Node::start(&folder);
    let mut definition = definition(&file);
    let variables = [("APP_NAME".to_owned(), "env".to_owned())];
    definition.sources = vec![
        Arc::new(FixedSource::environment("APP_", variables)),
        Arc::new(FileSource::new(&file)),
        Arc::new(FixedSource::defaults(
            "built in",
            Format::Json,
            r#"{"port": 1, "copy": 1}"#,
        )),
    ];
    let _handle = node.watcher.watch(definition).await;
    assert_eq!(node.next().await, Happened::Applied { generation: 1 });
    let published = node.watcher.documents().get(&id()).expect("in force");
    let expected = json!({"port": 2, "copy": 1, "name": "env"});
    assert_eq!(published.value.to_json(Reveal::Masked(&NoMask)), expected);
    let source = |path: &str| {
        let value = published.value.get(&at(path)).expect("is there");
        value.origin.to_string()
    };
    assert_eq!(source("copy"), "built in:1:21");
    assert_eq!(source("port"), format!("{}:1:8", file.display()));
    assert_eq!(source("name"), "APP_NAME");
}

#[tokio::test]
async fn who_waits_is_woken_when_the_generation_is_readable() {
    let folder = Folder::new();
    let (mut node, _handle, _file) = running(&folder).await;
    let documents = Arc::clone(node.watcher.documents());
    let seen = documents.index(&id());
    assert_eq!(seen, documents.get(&id()).expect("in force").revision);
    let waiter = tokio::spawn(async move {
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        let woken = documents.wait(&id(), seen, deadline).await;
        (woken, documents.get(&id()).expect("in force").revision)
    });
    folder.write("app.yaml", "port: 2\n");
    assert_eq!(node.next().await, Happened::Applied { generation: 2 });
    let (woken, revision) = waiter.await.expect("is woken");
    assert_eq!(woken, Wake::Changed(revision));
    assert!(revision > seen);
}

/// More changes than are kept, by going back and forth.
#[tokio::test]
async fn a_hundred_generations_are_kept_and_no_content_of_others() {
    let folder = Folder::new();
    let (mut node, handle, _file) = running(&folder).await;
    folder.write("app.yaml", "port: 2\n");
    assert_eq!(node.next().await, Happened::Applied { generation: 2 });
    folder.write("app.yaml", "port: 3\n");
    assert_eq!(node.next().await, Happened::Applied { generation: 3 });
    for number in 4..=103 {
        let done = handle
            .rollback(2 + number % 2, "ann", "back and forth")
            .await;
        // The third and later ones go back to what is still kept.
        assert_eq!(done.ok(), Some(number));
        if number == 101 {
            break;
        }
    }
    let kept = handle.history().expect("reads");
    assert_eq!((kept.len(), kept[0].number), (100, 2));
    assert!(matches!(
        handle.rollback(1, "ann", "").await,
        Err(CommandError::NoGeneration { number: 1 })
    ));
    let rows = node.store.read().expect("reads");
    let contents = state::Table::foreign(19);
    let mut texts = Vec::new();
    rows.scan(contents, b"", &mut |_, _: Revision, text| {
        texts.push(String::from_utf8_lossy(text).into_owned());
        std::ops::ControlFlow::Continue(())
    })
    .expect("reads");
    texts.sort();
    assert_eq!(texts, ["port: 2\n", "port: 3\n"]);
}
