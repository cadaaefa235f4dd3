//! Discovery and identity against real Go processes.

use std::{
    ffi::CString,
    fs::File,
    io::Read as _,
    os::{fd::FromRawFd as _, unix::ffi::OsStrExt as _},
    path::Path,
    process::Command,
    time::Duration,
};

use crate::support::{Target, build};
use golens::{
    config::Scope,
    discovery::{ExitWatch, Opener, Procfs, RefusedReason, Scanner, ScopeRules},
    identity::{GoProgram, Node, ProcessFacts, resolve},
};

fn scanner(pid: u32) -> Scanner {
    let scope = Scope {
        pids: vec![pid],
        ..Scope::default()
    };
    Scanner::new(Procfs::default(), ScopeRules::new(&scope))
}

#[test]
fn a_service_is_found_opened_and_named() {
    let environment = [
        ("OTEL_SERVICE_NAME", "checkout"),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "service.namespace=shop,team=a%20b",
        ),
    ];
    let target = Target::start(build("runtimeload", "named", &[]), &environment);
    let changes = scanner(target.pid()).scan().expect("listed");
    assert_eq!(changes.new.len(), 1);
    let mut opener = Opener::new(Procfs::default());
    let process = opener.open(&changes.new[0]).expect("a Go program");
    assert_eq!(opener.opened(), 1, "nothing but the one process in scope");
    assert_eq!(process.id.pid, target.pid());
    let node = Node::read(&Procfs::default()).expect("readable");
    let facts = ProcessFacts::read(&process);
    let resource = resolve(&node, &facts, &GoProgram::default());
    assert_eq!(resource.service_name, "checkout");
    assert_eq!(resource.service_namespace.as_deref(), Some("shop"));
    assert_eq!(resource.extra, [("team".to_owned(), "a b".to_owned())]);
    assert_eq!(resource.pid, target.pid());
    assert_eq!(
        resource,
        resolve(&node, &ProcessFacts::read(&process), &GoProgram::default())
    );
}

#[test]
fn stripped_and_relocatable_programs_are_go_too() {
    for (name, flags) in [
        ("quick-stripped", ["-ldflags=-s -w", "-trimpath"]),
        ("quick-pie", ["-buildmode=pie", "-ldflags=-s -w"]),
    ] {
        let target = Target::start(build("runtimeload", name, &flags), &[]);
        let process = target.open();
        process.recheck().expect("still the same");
    }
}

/// A program that replaces itself by itself keeps pid, start time and executable.
#[test]
fn exec_of_the_same_program_makes_another_process_of_it() {
    let mut target = Target::start(build("runtimeload", "exec", &[]), &[]);
    let mut scanner = scanner(target.pid());
    let before = scanner.scan().expect("listed").new;
    let process = Opener::new(Procfs::default())
        .open(&before[0])
        .expect("a Go program");
    let node = Node::read(&Procfs::default()).expect("readable");
    let id =
        |facts: &ProcessFacts| resolve(&node, facts, &GoProgram::default()).service_instance_id;
    let first_id = id(&ProcessFacts::read(&process));

    target.ask("exec");
    let gone = process.recheck().expect_err("another program runs");
    assert!(matches!(gone, RefusedReason::Replaced), "{gone}");
    let changes = scanner.check(target.pid());
    assert_eq!((changes.new.len(), changes.changed.len()), (0, 1));
    let now = Opener::new(Procfs::default())
        .open(&changes.changed[0])
        .expect("a Go program");
    assert_eq!(now.id, process.id);
    assert_eq!(now.incarnation.binary, process.incarnation.binary);
    assert_ne!(id(&ProcessFacts::read(&now)), first_id);
}

#[tokio::test]
async fn the_end_of_a_target_is_told_at_once() {
    let mut target = Target::start(build("runtimeload", "end", &[]), &[]);
    let process = target.open();
    let mut watch = ExitWatch::new();
    watch.watch(process.id, &process.handle).expect("watched");
    target.end();
    let told = tokio::time::timeout(Duration::from_secs(5), watch.next()).await;
    assert_eq!(told.expect("told in time"), process.id);
    let refused = process.recheck().expect_err("it has ended");
    assert_eq!(refused.error_type(), "exited");
}

#[test]
fn a_process_outside_of_the_scope_is_never_opened() {
    let inside = Target::start(build("runtimeload", "inside", &[]), &[]);
    let outside = Target::start(build("runtimeload", "outside", &[]), &[]);
    let scope = Scope {
        executables: vec![inside.candidate().executable],
        ..Scope::default()
    };
    let witnesses = [&inside, &outside].map(|target| OpenWitness::of(target.binary()));
    let mut scanner = Scanner::new(Procfs::default(), ScopeRules::new(&scope));
    let mut opener = Opener::new(Procfs::default());
    let found = scanner.scan().expect("listed").new;
    let opened: Vec<u32> = found
        .iter()
        .filter_map(|candidate| opener.open(candidate).ok())
        .map(|process| process.id.pid)
        .collect();
    assert_eq!(opened, [inside.pid()]);
    assert_eq!(
        witnesses.map(|witness| witness.saw_an_open()),
        [true, false]
    );
}

/// The kernel's own word on whether a file was opened, by whatever path.
struct OpenWitness(File);

impl OpenWitness {
    fn of(path: &Path) -> Self {
        let path = CString::new(path.as_os_str().as_bytes()).expect("a path");
        // SAFETY: takes flags only.
        let queue = unsafe { libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC) };
        assert!(queue >= 0, "{}", std::io::Error::last_os_error());
        // SAFETY: `path` is a zero-terminated string that lives through the call.
        let watch = unsafe { libc::inotify_add_watch(queue, path.as_ptr(), libc::IN_OPEN) };
        assert!(watch >= 0, "{}", std::io::Error::last_os_error());
        // SAFETY: the descriptor was just made and nothing else holds it.
        Self(unsafe { File::from_raw_fd(queue) })
    }

    fn saw_an_open(mut self) -> bool {
        match self.0.read(&mut [0; 4096]) {
            Ok(bytes) => bytes > 0,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => false,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn the_command_line_answers_without_an_agent() {
    let target = Target::start(build("runtimeload", "ps", &[]), &[]);
    let golens = |arguments: &[&str]| {
        let done = Command::new(env!("CARGO_BIN_EXE_golens"))
            .args(arguments)
            .output()
            .expect("runs");
        let text = String::from_utf8(done.stdout).expect("text");
        (done.status.code(), text)
    };
    // Port 9 of loopback is the discard service, which no machine runs any more.
    let nobody = ["--url", "http://127.0.0.1:9"];
    let (code, text) = golens(&["ps", "--json", nobody[0], nobody[1]]);
    assert_eq!(code, Some(0));
    let answer: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let targets = answer["targets"].as_array().expect("a list");
    let own = |row: &&serde_json::Value| row["pid"].as_u64() == Some(target.pid().into());
    let row = targets.iter().find(own).expect("listed");
    assert_eq!(row["state"], "resolving");

    let (code, text) = golens(&["symbols", &target.pid().to_string(), "--json"]);
    assert_eq!(code, Some(0));
    let answer: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(answer["file"]["main_path"], "golens.test/runtimeload");
    let functions = answer["functions"].as_array().expect("a list").iter();
    let stop = functions.filter(|line| line["name"] == "runtime.startTheWorldWithSema");
    assert_eq!(stop.count(), 1);

    let (code, text) = golens(&["doctor", "--json"]);
    let answer: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let checks = answer["checks"].as_array().expect("a list").iter();
    let failed = checks.clone().any(|check| check["status"] == "fail");
    assert_eq!(code, Some(i32::from(failed)), "{text}");
    assert!(checks.clone().any(|check| check["name"] == "kernel"));
    assert!(
        checks
            .filter(|check| check["status"] != "ok")
            .all(|check| check["remedy"].is_string()),
        "what is wrong has a remedy: {text}"
    );

    assert_eq!(golens(&["symbols", "/bin/sh"]).0, Some(1));
    assert_eq!(golens(&["config", "show"]).0, Some(0));
    assert_eq!(golens(&["nonsense"]).0, Some(2));
    assert_eq!(golens(&["--log-level", "a=b=c", "ps"]).0, Some(2));
}
