//! Kills the process while it changes documents: what it acknowledged is there, and no index goes back.

#![expect(
    clippy::print_stdout,
    reason = "a test without cargo's harness says itself how it ended"
)]

#[expect(
    dead_code,
    unused_imports,
    reason = "shared with tests that use all of it"
)]
#[path = "config/support/mod.rs"]
mod support;

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};

use state::audit;
use support::{Folder, Node, definition, id};

/// Names the folder to the process that is killed.
const FOLDER: &str = "GOLENS_CONFIG_KILLED";

const ROUNDS: u64 = 5;

#[tokio::main]
async fn main() {
    match env::var_os(FOLDER) {
        Some(folder) => change_for_ever(Folder(PathBuf::from(folder))).await,
        None => kill().await,
    }
}

/// Goes back and forth, and says after each step which generation and revision are in force.
async fn change_for_ever(folder: Folder) {
    let node = Node::start(&folder);
    let handle = node
        .watcher
        .watch(definition(&folder.0.join("app.yaml")))
        .await;
    for step in 0_u64.. {
        let to = node.generation() - step % 2;
        let number = handle
            .rollback(to, "killed", "again")
            .await
            .expect("goes back");
        let published = node.watcher.documents().get(&id()).expect("in force");
        println!("{number} {}", published.revision);
    }
}

async fn kill() {
    let folder = Folder::new();
    folder.write("app.yaml", "port: 1\n");
    let (mut generation, mut revision) = (0, 0);
    for round in 1..=ROUNDS {
        let lines = 20 + round * 7;
        let acknowledged = killed_after(&folder, lines);
        assert!(
            acknowledged.0 > generation && acknowledged.1 > revision,
            "{acknowledged:?}"
        );
        (generation, revision) = acknowledged;
        // The file changed while nobody watched; the pin holds it back.
        let file = folder.write("app.yaml", &format!("port: {round}\n"));
        let node = Node::start(&folder);
        let handle = node.watcher.watch(definition(&file)).await;
        let published = node.watcher.documents().get(&id()).expect("in force");
        assert!(
            published.generation >= generation,
            "generation {generation} was acknowledged"
        );
        assert!(
            published.revision.0 >= revision,
            "revision {revision} was acknowledged"
        );
        let history = handle.history().expect("reads");
        assert!(
            history.iter().any(|it| it.number == generation),
            "it is in the history"
        );
        let whole = history
            .windows(2)
            .all(|pair| pair[0].number + 1 == pair[1].number);
        assert!(whole, "no generation is missing");
        audit::verify(&node.store.read().expect("reads")).expect("the chain holds");
        (generation, revision) = (published.generation, published.revision.0);
        handle.close().await;
    }
    println!("{ROUNDS} kills lost nothing: {generation} generations, revision {revision} ... ok");
    drop(fs::remove_dir_all(&folder.0));
}

/// Starts the process, kills it after some lines, and returns the last generation and revision it said.
fn killed_after(folder: &Folder, lines: u64) -> (u64, u64) {
    let mut child = Command::new(env::current_exe().expect("a path"))
        .env(FOLDER, &folder.0)
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let output = BufReader::new(child.stdout.take().expect("is piped"));
    let mut last = None;
    for (nth, line) in (1..).zip(output.lines()) {
        last = Some(line.expect("is text"));
        if nth == lines {
            child.kill().expect("is killed");
        }
    }
    child.wait().expect("is over");
    let last = last.expect("said something");
    let (generation, revision) = last.split_once(' ').expect("two numbers");
    let number = |text: &str| text.parse().expect("a number");
    (number(generation), number(revision))
}
