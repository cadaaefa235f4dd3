//! The twelve faults: each is told by one exact event, and the running generation is untouched.
//!
//! ```text
//! broken_syntax          Rejected at parse       file, line and column
//! schema_error           Rejected at validate    every mistake at once
//! missing_key            Rejected at validate    which one
//! key_service_down       Rejected at decrypt     tried again, and applied once it is back
//! truncated_file         Rejected at parse
//! hundred_swaps_a_second Applied, in order       never a mixture (long_swaps: for ten seconds)
//! rollback               RolledBack              a generation that cannot be gone back to changes nothing
//! pin                    Held                    sources wait
//! sub_path_mount         Applied by the clock    no event of the kernel tells of it
//! removed_file           SourceLost, SourceBack
//! inotify_overflow       Applied                 only the overflow tells of it
//! wrong_role             none                    403 and an entry of the audit log
//! ```

use std::{env, fs, io, os::unix::fs::PermissionsExt, process::Command, sync::Arc, time::Duration};

use crate::{
    key_service::KeyService,
    support::{Folder, Node, Pace, Served, ask, definition, id, refused, running, shown, swapped},
};
use config::{
    CommandError, FileSource, Happened, Hooks, Kind, Masker, SourceId, Stage,
    roles::{Binding, Policy},
    secrets::{KeyFile, Keyring, Keys, Secrets},
};
use inotify::{EventMask, Inotify, WatchMask};
use serde_json::json;
use state::audit;

#[tokio::test]
async fn broken_syntax() {
    let folder = Folder::new();
    let (mut node, _handle, file) = running(&folder).await;
    folder.write("app.yaml", "port: 2\nname: [\n");
    let problems = refused(&mut node, Stage::Parse).await;
    let shown = shown(&problems, &file);
    assert_eq!(shown.len(), 1);
    assert!(
        shown[0].starts_with("app.yaml:3:1: is no YAML: "),
        "{shown:?}"
    );
    folder.write("app.yaml", "port: 2\n");
    assert_eq!(node.next().await, Happened::Applied { generation: 2 });
    assert_eq!(node.document(), json!({"port": 2}));
}

#[tokio::test]
async fn schema_error() {
    let folder = Folder::new();
    let (mut node, _handle, file) = running(&folder).await;
    folder.write("app.yaml", "port: 70000\nnmae: x\n");
    let problems = refused(&mut node, Stage::Validate).await;
    assert_eq!(
        shown(&problems, &file),
        [
            "app.yaml:1:7: port: does not fit `maximum`: expected at most 65535, got 70000",
            "app.yaml:2:1: nmae: is not known: expected one of copy, name, port, version; did you mean `name`?",
        ]
    );
}

#[tokio::test]
async fn missing_key() {
    let folder = Folder::new();
    let (mut node, _handle, file) = running(&folder).await;
    folder.write("app.yaml", "name: x\n");
    let problems = refused(&mut node, Stage::Validate).await;
    assert_eq!(shown(&problems, &file), ["app.yaml:1:1: port: is missing"]);
}

/// New sealed values wait for the key service; the running one is not asked for again, also beside a change.
#[tokio::test]
async fn key_service_down() {
    let folder = Folder::new();
    let key = folder.write("kek", &"01".repeat(32));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o400)).expect("for us alone");
    let service = KeyService::new(KeyFile::new(key));
    let ring = folder.0.join("keys.json");
    let keys = Keys::with_ring(&ring, Keyring::default(), Arc::new(service.clone()));
    let keys = Arc::new(keys.kept_for(Duration::ZERO));
    keys.rotate().await.expect("a key");
    let seal = async |text: &str| keys.seal("dev", "name", text).await.expect("sealed");
    let (first, second) = (seal("hunter2").await, seal("other").await);
    let masker = Arc::new(Masker::new());
    let hooks = Hooks {
        decrypt: Some(Arc::new(Secrets::new(keys, Arc::clone(&masker)))),
        mask: masker,
    };
    let mut node = Node::with(&folder, hooks);
    let file = folder.write("app.yaml", &format!("port: 1\nname: {first}\n"));
    let mut definition = definition(&file);
    definition.timing.retry = Duration::from_millis(100);
    let _handle = node.watcher.watch(definition).await;
    assert_eq!(node.next().await, Happened::Applied { generation: 1 });

    service.set_down(true);
    folder.write("app.yaml", &format!("port: 2\nname: {first}\n"));
    assert_eq!(node.next().await, Happened::Applied { generation: 2 });
    folder.write("app.yaml", &format!("port: 3\nname: {second}\n"));
    let problems = refused(&mut node, Stage::Decrypt).await;
    let problems = shown(&problems, &file);
    assert_eq!(problems.len(), 1);
    let place = "app.yaml:2:7: name: cannot be decrypted: ";
    assert!(
        problems[0].starts_with(place) && problems[0].contains("connection refused"),
        "{problems:?}"
    );
    assert_eq!(node.document(), json!({"port": 2, "name": "hunter2"}));

    service.set_down(false);
    let applied = loop {
        match node.next().await {
            Happened::Rejected { stage, .. } => assert_eq!(stage, Stage::Decrypt),
            other => break other,
        }
    };
    assert_eq!(applied, Happened::Applied { generation: 3 });
    assert_eq!(node.document(), json!({"port": 3, "name": "other"}));
}

#[tokio::test]
async fn truncated_file() {
    let folder = Folder::new();
    let (mut node, _handle, file) = running(&folder).await;
    fs::write(&file, "{\"port\": 2, \"name").expect("cut off");
    let problems = refused(&mut node, Stage::Parse).await;
    let shown = shown(&problems, &file);
    assert!(
        shown.len() == 1 && shown[0].starts_with("app.yaml:1:"),
        "{shown:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn hundred_swaps_a_second() {
    let pace = Pace {
        swaps: 100,
        every: Duration::from_millis(10),
    };
    swapped(pace).await;
}

/// What is gone back to is a new generation; one that was never there changes nothing.
#[tokio::test]
async fn rollback() {
    let folder = Folder::new();
    let (mut node, handle, _file) = running(&folder).await;
    folder.write("app.yaml", "port: 2\n");
    assert_eq!(node.next().await, Happened::Applied { generation: 2 });
    let of_before = node.watcher.documents().get(&id()).expect("in force");
    let missing = handle.rollback(77, "ann", "too new").await;
    assert!(matches!(
        missing,
        Err(CommandError::NoGeneration { number: 77 })
    ));
    node.nothing_else();
    node.untouched();

    let done = handle.rollback(1, "ann", "too new").await;
    assert_eq!(done.expect("goes back"), 3);
    assert_eq!(node.next().await, Happened::Applied { generation: 3 });
    let rolled_back = Happened::RolledBack {
        generation: 3,
        to: 1,
        actor: "ann".to_owned(),
    };
    assert_eq!(node.next().await, rolled_back);
    assert_eq!(node.document(), json!({"port": 1}));
    // Whoever reads the generation of before reads it to its end.
    assert_eq!(
        of_before.value.to_json(config::Reveal::Plain),
        json!({"port": 2})
    );
}

#[tokio::test]
async fn pin() {
    let folder = Folder::new();
    let (mut node, handle, _file) = running(&folder).await;
    handle.rollback(1, "ann", "as it is").await.expect("pinned");
    assert_eq!(node.next().await, Happened::Applied { generation: 2 });
    let pinned = node.next().await;
    assert!(matches!(pinned, Happened::RolledBack { .. }), "{pinned:?}");
    folder.write("app.yaml", "port: 2\n");
    assert_eq!(node.next().await, Happened::Held { pinned: 2 });
    node.untouched();

    let done = handle.unpin("bob", "follow again").await;
    assert_eq!(done.expect("follows"), 3);
    let unpinned = Happened::Unpinned {
        actor: "bob".to_owned(),
    };
    assert_eq!(node.next().await, unpinned);
    assert_eq!(node.next().await, Happened::Applied { generation: 3 });
    assert_eq!(node.document(), json!({"port": 2}));
}

/// Names the folder to the test's own process with mounts of its own.
const MOUNTS: &str = "GOLENS_CONFIG_MOUNTS";

/// A file that is mounted by itself, as `subPath` does, keeps its inode and gives no event where it is mounted;
/// only the clock finds what was written into it. The test runs itself again, with mounts that nobody else sees.
#[test]
fn sub_path_mount() {
    if env::var_os(MOUNTS).is_some() {
        return mounted();
    }
    let folder = Folder::new();
    let status = Command::new("unshare")
        .args(["--mount", "--propagation", "private"])
        .arg(env::current_exe().expect("a path"))
        .args(["--exact", "faults::sub_path_mount", "--nocapture"])
        .env(MOUNTS, &folder.0)
        .status();
    assert!(status.expect("unshare runs").success(), "needs root");
    let seen = fs::read_to_string(folder.0.join("pod/app.yaml")).expect("is there");
    assert_eq!(seen, "", "mounted for everybody");
}

#[tokio::main(flavor = "current_thread")]
async fn mounted() {
    // The one who started this removes it.
    let folder = std::mem::ManuallyDrop::new(Folder(env::var_os(MOUNTS).expect("set").into()));
    for name in ["volume", "pod"] {
        fs::create_dir(folder.0.join(name)).expect("a folder");
    }
    let volume = folder.write("volume/app.yaml", "port: 1\n");
    let file = folder.write("pod/app.yaml", "");
    let bound = Command::new("mount")
        .arg("--bind")
        .args([&volume, &file])
        .status();
    assert!(bound.expect("mount runs").success(), "needs root");

    let mut node = Node::start(&folder);
    let mut definition = definition(&file);
    let source = FileSource::new(&file).with_poll(Duration::from_millis(100));
    definition.sources = vec![Arc::new(source)];
    let _handle = node.watcher.watch(definition).await;
    assert_eq!(node.next().await, Happened::Applied { generation: 1 });
    // kubelet would rename a new file over the old one: the mount still shows the old one, and so does golens.
    folder.write("volume/app.yaml", "port: 2\n");
    fs::write(&file, "port: 3\n").expect("written through the mount");
    assert_eq!(node.next().await, Happened::Applied { generation: 2 });
    assert_eq!(node.document(), json!({"port": 3}));
    fs::write(&file, "port: [\n").expect("broken through the mount");
    refused(&mut node, Stage::Parse).await;
}

#[tokio::test]
async fn removed_file() {
    let folder = Folder::new();
    let (mut node, _handle, file) = running(&folder).await;
    fs::remove_file(&file).expect("removed");
    let source = SourceId {
        kind: Kind::File,
        name: file.display().to_string(),
    };
    let lost = Happened::SourceLost {
        source: source.clone(),
        reason: "is gone".to_owned(),
    };
    assert_eq!(node.next().await, lost);
    node.untouched();
    assert_eq!(node.watcher.status()[&id()].lost[0].0, source);
    folder.write("app.yaml", "port: 3\n");
    assert_eq!(node.next().await, Happened::SourceBack { source });
    assert_eq!(node.next().await, Happened::Applied { generation: 2 });
    assert_eq!(node.document(), json!({"port": 3}));
    assert!(node.watcher.status()[&id()].lost.is_empty());
}

/// The kernel's queue is full of events about other files when the file changes: only the overflow tells. A
/// second queue on the same folder shows that this is so.
#[tokio::test(flavor = "current_thread")]
async fn inotify_overflow() {
    let folder = Folder::new();
    let (mut node, _handle, file) = running(&folder).await;
    let mut second = Inotify::init().expect("a queue");
    let watched = second.watches().add(&folder.0, WatchMask::ALL_EVENTS);
    watched.expect("watched");

    // Nobody reads events meanwhile: this is the only thread.
    let most = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").expect("a limit");
    let most: usize = most.trim().parse().expect("a number");
    let (a, b) = (folder.0.join("noise-a"), folder.0.join("noise-b"));
    fs::write(&a, "").expect("noise");
    for _ in 0..=most / 4 {
        fs::rename(&a, &b).expect("noise");
        fs::rename(&b, &a).expect("noise");
    }
    fs::write(&file, "port: 2\n").expect("the change");
    node.untouched();

    assert_eq!(node.next().await, Happened::Applied { generation: 2 });
    assert_eq!(node.document(), json!({"port": 2}));
    node.nothing_else();
    let (told, overflowed) = drained(&mut second, "app.yaml");
    assert!(overflowed && !told, "{overflowed} {told}");
}

/// Whether a queue has an event about `name`, and whether events were lost.
fn drained(queue: &mut Inotify, name: &str) -> (bool, bool) {
    let (mut told, mut overflowed) = (false, false);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match queue.read_events(&mut buffer) {
            Ok(events) => {
                for event in events {
                    told |= event.name.is_some_and(|it| it == name);
                    overflowed |= event.mask.contains(EventMask::Q_OVERFLOW);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return (told, overflowed),
            Err(error) => panic!("{error}"),
        }
    }
}

/// An auditor reads and changes nothing; somebody without a role does not even read.
#[tokio::test]
async fn wrong_role() {
    let folder = Folder::new();
    let (mut node, _handle, _file) = running(&folder).await;
    folder.write("app.yaml", "port: 2\n");
    assert_eq!(node.next().await, Happened::Applied { generation: 2 });
    let binding = Binding {
        who: "token:known-auditor".to_owned(),
        role: "auditor".to_owned(),
    };
    let policy = Policy {
        bindings: vec![binding],
        ..Policy::default()
    };
    let served = Served::start(&node, policy).await;
    let read = "GET /v1/config/dev/app";
    let seen = ask(served.documents, read, "known-auditor", "").await;
    assert_eq!(seen, (200, "{\"port\":2}".to_owned()));

    let denied = |rule: &str| (403, format!("denied by rule {rule}\n"));
    let seen = ask(served.documents, read, "known-stranger", "").await;
    assert_eq!(seen, denied("no_role"));
    let order = "POST /v1/documents/dev/app/rollback";
    let why = json!({"to": 1, "reason": "curious"}).to_string();
    let done = ask(served.control, order, "known-auditor", &why).await;
    assert_eq!(done, denied("auditor.write"));
    let order = "POST /v1/documents/dev/app/unpin";
    let done = ask(served.control, order, "known-auditor", &why).await;
    assert_eq!(done, denied("auditor.write"));

    node.nothing_else();
    node.untouched();
    let entries = audit::latest(&node.store.read().expect("reads"), 3).expect("reads");
    let noted = entries.iter().map(|it| {
        let token = it.actor.split(" of ").next().expect("an actor");
        [token, &it.action, &it.target, &it.outcome].map(str::to_owned)
    });
    let noted: Vec<_> = noted.collect();
    let of_auditor = [
        "token known-auditor",
        "config.write",
        "dev/app",
        "denied by rule auditor.write",
    ];
    let expected = [
        [
            "token known-stranger",
            "config.read",
            "dev/app",
            "denied by rule no_role",
        ],
        of_auditor,
        of_auditor,
    ];
    assert_eq!(noted, expected);
}
