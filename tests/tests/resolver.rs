//! Binaries are read by a child without rights, and what happens to it happens to one target.

use std::{
    env,
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use tests::harness::{
    Cgroup, Golens, HeldResolver, Program, RunDir, Settings, Spawn, Target, holding_resolvers,
    wait_for, wait_until,
};

/// A program with a file of its own, started in the group; `tail` makes its content differ.
fn start(name: &str, tail: &str, run: &RunDir, cgroup: &Cgroup) -> (PathBuf, Program) {
    let path = run.path().join(name);
    fs::copy(Target::new("httpcount").build(), &path).expect("copy the binary");
    let mut copy = File::options()
        .append(true)
        .open(&path)
        .expect("open the copy");
    copy.write_all(tail.as_bytes()).expect("append to the copy");
    drop(copy);
    let program = Spawn::new(&path).service(name).in_cgroup(cgroup).start(run);
    (path, program)
}

/// The words of a metric: how many binaries were read, by outcome.
fn outcomes(golens: &Golens) -> Vec<(String, u64)> {
    let resolver =
        |(name, count): (String, u64)| Some((name.strip_prefix("resolver.")?.to_owned(), count));
    golens.counters().into_iter().filter_map(resolver).collect()
}

fn await_refused(golens: &Golens, pid: u32) -> String {
    wait_for("a refusal", Duration::from_secs(20), || {
        let row = golens.targets().into_iter().find(|row| row.pid == pid)?;
        (row.state == "refused").then(|| row.reason.unwrap_or_default())
    })
}

#[test]
fn the_child_that_reads_a_binary_has_no_rights() {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let golens = Settings::for_cgroup(&cgroup)
        .under(holding_resolvers())
        .start(&run);
    let (binary, program) = start("held", "", &run, &cgroup);
    let child = HeldResolver::of(&binary);

    assert_eq!(child.status("PPid"), golens.pid().to_string());
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(child.status(set), "0".repeat(16), "{set}");
    }
    assert_eq!(child.status("NoNewPrivs"), "1");
    assert_eq!(child.status("Seccomp"), "2");
    assert_eq!(child.status("Threads"), "1");
    let own_network = Path::new("/proc")
        .join(golens.pid().to_string())
        .join("ns/net");
    assert_ne!(
        fs::read_link(child.path("ns/net")).expect("a link"),
        fs::read_link(own_network).expect("a link")
    );
    assert_eq!(fs::read(child.path("environ")).expect("readable"), b"");

    let same = |value: &str| (value.to_owned(), value.to_owned());
    assert_eq!(child.limit("Max open files"), same("3"));
    assert_eq!(child.limit("Max data size"), same("100663296"));
    assert_eq!(
        fs::read_to_string(child.path("oom_score_adj")).expect("readable"),
        "1000\n"
    );
    assert_eq!(child.nice(), 19);
    assert_eq!(child.limit("Max core file size"), same("0"));
    assert_eq!(child.limit("Max processes"), same("0"));
    assert_eq!(child.limit("Max file size"), same("1073741824"));
    assert_eq!(
        child.limit("Max cpu time"),
        ("10".to_owned(), "11".to_owned())
    );
    let size = fs::metadata(&binary).expect("there").len();
    let space = (352 << 20) + size + (1 << 30);
    assert_eq!(child.limit("Max address space"), same(&space.to_string()));

    let descriptors = child.descriptors();
    assert_eq!(descriptors.keys().collect::<Vec<_>>(), [&0, &1, &2]);
    assert_eq!(descriptors[&0], fs::canonicalize(&binary).expect("there"));
    assert!(
        descriptors[&1].starts_with("pipe:")
            || descriptors[&1].to_string_lossy().starts_with("pipe:")
    );
    assert!(descriptors[&2].to_string_lossy().ends_with("(deleted)"));

    child.go_on();
    let _row = golens.await_attached(program.pid(), &["http", "log", "gc"]);
    assert_eq!(outcomes(&golens), [("resolved".to_owned(), 1)]);
    golens.stop();
    program.stop();
}

#[test]
fn what_ends_the_child_costs_one_target() {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let golens = Settings::for_cgroup(&cgroup)
        .under(holding_resolvers())
        .start(&run);
    let (killed_file, killed) = start("killed", "1", &run, &cgroup);
    let (starved_file, starved) = start("starved", "2", &run, &cgroup);
    HeldResolver::of(&killed_file).kill();
    let reason = await_refused(&golens, killed.pid());
    assert!(reason.contains("was killed"), "{reason}");
    let child = HeldResolver::of(&starved_file);
    child.starve();
    child.go_on();
    let reason = await_refused(&golens, starved.pid());
    assert!(reason.contains("more memory than it may have"), "{reason}");

    // The next one is none the worse for it.
    let (good_file, good) = start("good", "", &run, &cgroup);
    HeldResolver::of(&good_file).go_on();
    let _row = golens.await_attached(good.pid(), &["http", "log", "gc"]);
    let expected = [("crashed", 1), ("killed", 1), ("resolved", 1)];
    assert_eq!(
        outcomes(&golens),
        expected.map(|(outcome, count)| (outcome.to_owned(), count))
    );
    golens.stop();
    for program in [killed, starved, good] {
        program.stop();
    }
}

#[test]
fn copies_of_a_binary_are_read_once() {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let programs = ["one", "two", "three"].map(|name| start(name, "", &run, &cgroup).1);
    let golens = Settings::for_cgroup(&cgroup).start(&run);
    for program in &programs {
        let _row = golens.await_attached(program.pid(), &["http", "log", "gc"]);
    }
    assert_eq!(outcomes(&golens), [("resolved".to_owned(), 1)]);
    golens.stop();
    for program in programs {
        program.stop();
    }
}

#[test]
fn the_child_ends_with_the_agent() {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let golens = Settings::for_cgroup(&cgroup)
        .under(holding_resolvers())
        .start(&run);
    let (binary, program) = start("orphan", "", &run, &cgroup);
    let child = HeldResolver::of(&binary);
    drop(golens);
    wait_until("the end of the child", Duration::from_secs(10), || {
        child.has_ended()
    });
    program.stop();
}

#[test]
fn a_file_that_is_cut_short_ends_the_child_and_nothing_else() {
    let run = RunDir::new();
    let path = run.path().join("cut");
    fs::copy(Target::new("httpcount").build(), &path).expect("copy the binary");
    let golens = symbols(&holding_resolvers(), &path);
    // It has been told the size and is about to map that much.
    let child = HeldResolver::of(&path);
    let file = File::options().write(true).open(&path).expect("open");
    file.set_len(4096).expect("cut");
    child.go_on();
    let done = golens.wait_with_output().expect("ends");
    assert_eq!(done.status.code(), Some(1));
    let message = String::from_utf8_lossy(&done.stderr);
    assert!(
        message.contains("was changed while it was read"),
        "{message}"
    );
}

#[test]
fn no_room_to_expand_is_a_failure_and_no_answer() {
    let binary = Target::new("httpcount").build();
    let golens = symbols(&["prlimit", "--fsize=65536"], &binary);
    let done = golens.wait_with_output().expect("ends");
    assert_eq!(done.status.code(), Some(1));
    let message = String::from_utf8_lossy(&done.stderr);
    assert!(
        message.contains("no room to expand its debugging information")
            && message.contains("File too large")
            && message.contains("TMPDIR"),
        "{message}"
    );
}

#[test]
fn a_library_is_read_and_nothing_is_to_be_attached() {
    let mut target = Target::new("httpcount");
    target.flags = &["-buildmode=c-shared"];
    let said = golens_symbols(&["--json", &target.build().display().to_string()]);
    let report: serde_json::Value = serde_json::from_slice(&said.stdout).expect("a report");
    assert_eq!(report["file"]["build"]["mode"], "c-shared");
    let features = report["features"].as_array().expect("features");
    let off: Vec<_> = features
        .iter()
        .filter(|one| one["attach"] == "no")
        .collect();
    assert!(off.len() >= 4, "{features:?}");
    for feature in features {
        let attach = feature["attach"].as_str().expect("a word");
        assert!(["no", "not_used"].contains(&attach), "{feature}");
    }
    assert!(
        off.iter()
            .all(|one| one["why"][0]["error_type"] == "library")
    );
}

#[test]
fn a_process_without_an_executable_is_not_called_gone() {
    let mut ended = Command::new("true").spawn().expect("start a program");
    wait_until("its end", Duration::from_secs(10), || {
        let status = fs::read_to_string(format!("/proc/{}/status", ended.id()));
        status.expect("it is not waited for").contains("State:\tZ")
    });
    let said = golens_symbols(&[&ended.id().to_string()]);
    ended.wait().expect("it has ended");
    let message = String::from_utf8_lossy(&said.stderr).into_owned();
    assert_eq!(said.status.code(), Some(1), "{message}");
    assert!(message.contains("ended processes"), "{message}");
}

/// Runs `golens symbols`.
fn golens_symbols(arguments: &[&str]) -> Output {
    let golens = env::var_os("GOLENS_BIN").expect("GOLENS_BIN names the agent");
    let mut command = Command::new(golens);
    let done = command.arg("symbols").args(arguments).output();
    done.expect("start golens")
}

/// Starts `golens symbols` under a wrapper.
fn symbols(wrapper: &[&str], binary: &Path) -> Child {
    let golens = env::var_os("GOLENS_BIN").expect("GOLENS_BIN names the agent");
    let (program, arguments) = wrapper.split_first().expect("a wrapper");
    Command::new(program)
        .args(arguments)
        .arg(golens)
        .arg("symbols")
        .arg(binary)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start golens")
}
