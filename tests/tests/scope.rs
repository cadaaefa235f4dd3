//! A process outside the scope is never opened.

use std::{fs, time::Duration};

use serde_json::json;
use tests::harness::{Cgroup, Load, RunDir, Settings, Spawn, Target, wait_until};

/// What may be read of a process to decide whether it is in scope.
const ALLOWED: [&str; 5] = ["", "cgroup", "stat", "status", "comm"];

/// System calls that open files or memory of others.
const WATCHED: &str = "trace=open,openat,openat2,process_vm_readv,ptrace";

/// The trace of strace is the judge: every file the agent opened, and every memory it read.
#[test]
fn a_process_outside_the_scope_is_never_opened() {
    let (run, inside, outside) = (RunDir::new(), Cgroup::new(), Cgroup::new());
    let binary = Target::new("httpcount").build();
    // Of the same content, but under a path of its own.
    let other = run.path().join("out-of-scope");
    fs::copy(&binary, &other).expect("copy the binary");
    let watched = Spawn::new(&binary)
        .service("in")
        .in_cgroup(&inside)
        .start(&run);
    let ignored = Spawn::new(&other)
        .service("out")
        .in_cgroup(&outside)
        .start(&run);

    let trace = run.path().join("strace");
    let path = trace.display().to_string();
    let golens = Settings::for_cgroup(&inside)
        .set("runtime.interval", json!("200ms"))
        // With -D the agent is this test's child and strace a grandchild.
        .under([
            "strace", "-D", "-f", "-y", "-s", "256", "-e", WATCHED, "-o", &path,
        ])
        .start(&run);
    let _row = golens.await_attached(watched.pid(), &["http"]);
    for program in [&watched, &ignored] {
        Load::on(program.address(), "/hello")
            .requests(200)
            .connections(4)
            .run()
            .assert_all("200");
    }
    // A process that starts later is met through its exec, not by the scan.
    let late = Spawn::new(&other)
        .service("out")
        .in_cgroup(&outside)
        .start(&run);
    golens.await_requests("in", 200);
    wait_until("readings of the runtime", Duration::from_secs(10), || {
        golens
            .runtime()
            .iter()
            .any(|row| row.pid == watched.pid() && row.goroutines > 0)
    });
    let strangers = [ignored.pid(), late.pid()];
    assert!(golens.services().iter().all(|row| row.service != "out"));
    assert!(golens.spans().iter().all(|span| span.service != "out"));
    for target in golens.targets() {
        assert!(
            target.state == "refused" || !strangers.contains(&target.pid),
            "{target:?}"
        );
    }
    golens.stop();

    let calls = fs::read_to_string(&trace).expect("read the trace");
    // The trace would show it: the process in scope was opened and its memory read.
    assert!(
        calls
            .lines()
            .any(|call| opens(call, watched.pid()).is_some_and(|file| !ALLOWED.contains(&file)))
    );
    assert!(calls.lines().any(|call| reads_memory(call, watched.pid())));
    for call in calls.lines() {
        assert!(!call.contains("out-of-scope"), "{call}");
        for pid in strangers {
            assert!(!reads_memory(call, pid), "{call}");
            if let Some(file) = opens(call, pid) {
                assert!(ALLOWED.contains(&file), "{call}");
            }
        }
    }
    for program in [watched, ignored, late] {
        program.stop();
    }
}

/// A deploy puts another file in the place of a running program's, or removes it: the kernel changes the times
/// of the old file, and what runs is what ran before.
#[test]
fn a_program_whose_file_is_replaced_stays_the_same_target() {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let built = Target::new("httpcount").build();
    let (file, new) = (run.path().join("deployed"), run.path().join("new"));
    fs::copy(&built, &file).expect("copy the binary");
    let program = Spawn::new(&file)
        .service("old")
        .in_cgroup(&cgroup)
        .start(&run);
    let golens = Settings::for_cgroup(&cgroup).start(&run);
    let _row = golens.await_attached(program.pid(), &["http"]);

    fs::hard_link(&file, run.path().join("link")).expect("link the binary");
    fs::copy(&built, &new).expect("copy the binary");
    fs::rename(&new, &file).expect("replace the binary");
    // Only a scan finds what was moved into the scope, and a scan looks at all processes.
    let outside = Spawn::new(&built).service("moved").start(&run);
    cgroup.take_in(outside.pid());
    let _row = golens.await_attached(outside.pid(), &["http"]);

    let told = golens.output();
    let about = format!("pid={}", program.pid());
    let lines: Vec<&str> = told.lines().filter(|line| line.contains(&about)).collect();
    assert_eq!(lines.len(), 1, "{told}");
    assert!(lines[0].contains("attached"), "{told}");
    golens.stop();
    outside.stop();
    program.stop();
}

/// The first part of a path below `/proc/PID/` that a call names, in an argument or as the path strace
/// gives of a descriptor.
fn opens(call: &str, pid: u32) -> Option<&str> {
    let directory = format!("/proc/{pid}");
    let (_, rest) = call.split_once(&directory)?;
    if let Some((_, name)) = call.split_once(&format!("<{directory}>, \"")) {
        return name.split(['/', '"']).next();
    }
    match rest.strip_prefix('/') {
        Some(below) => below.split(['/', '"', '>']).next(),
        // Another, longer process id.
        None if rest.starts_with(|c: char| c.is_ascii_digit()) => None,
        None => Some(""),
    }
}

fn reads_memory(call: &str, pid: u32) -> bool {
    [
        "process_vm_readv(",
        "ptrace(PTRACE_ATTACH, ",
        "ptrace(PTRACE_SEIZE, ",
    ]
    .iter()
    .filter_map(|name| call.split_once(name))
    .any(|(_, rest)| rest.split([',', '<', ')']).next() == Some(&pid.to_string()))
}

#[test]
fn calls_are_read_from_a_trace() {
    let call = "12 openat(AT_FDCWD</root>, \"/proc/77/exe\", O_RDONLY|O_CLOEXEC) = 9</bin/x>";
    assert_eq!(opens(call, 77), Some("exe"));
    assert_eq!(opens(call, 7), None);
    let relative = "12 openat(8</proc/77>, \"mem\", O_RDONLY) = 9</proc/77/mem>";
    assert_eq!(opens(relative, 77), Some("mem"));
    let folder = "12 openat(AT_FDCWD</root>, \"/proc/77\", O_RDONLY|O_DIRECTORY) = 8</proc/77>";
    assert_eq!(opens(folder, 77), Some(""));
    assert!(reads_memory(
        "12 process_vm_readv(77, [{iov_base=0x1}], 1, [], 1, 0) = 8",
        77
    ));
    assert!(!reads_memory(
        "12 process_vm_readv(77, [{iov_base=0x1}], 1, [], 1, 0) = 8",
        7
    ));
}
