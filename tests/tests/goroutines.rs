//! The goroutine profile of a process that is neither stopped nor probed.

#[path = "scenario/goroutines.rs"]
mod goroutines;

use std::time::Duration;

use tests::harness::{
    RunDir, Spawn, Target, Toolchain, go_tool_pprof, golens_goroutines, goroutine_profile,
    wait_until,
};

const PARKED: Target = Target::new("goroutines/parked");

#[test]
fn the_profile_equals_the_dump_with_the_installed_go() {
    let compared = goroutines::equal_to_the_dump(PARKED);
    assert!(compared.goroutines > compared.kinds as u64, "{compared:?}");
    // All kinds wait but the one in a system call, whose stack moves without the runtime's knowledge.
    assert_eq!(compared.waiting + 1, compared.kinds, "{compared:?}");
    assert_eq!(compared.stacks, compared.waiting, "{compared:?}");
}

#[test]
fn the_profile_equals_the_dump_of_a_stripped_program() {
    goroutines::equal_to_the_dump(PARKED.stripped(true));
}

#[test]
fn the_profile_equals_the_dump_of_a_program_that_is_loaded_anywhere() {
    let pie = Target {
        flags: &["-buildmode=pie"],
        ..PARKED
    };
    goroutines::equal_to_the_dump(pie.stripped(true));
}

#[test]
fn the_profile_equals_the_dump_with_go_1_21() {
    let old = PARKED.with(Toolchain::Version("go1.21.13"));
    goroutines::equal_to_the_dump(old);
    goroutines::equal_to_the_dump(old.stripped(true));
}

/// `go tool pprof` shows functions, lines and numbers without the binary.
#[test]
fn the_go_tool_opens_the_profile() {
    let run = RunDir::new();
    let program = Spawn::new(PARKED.stripped(true).build()).start(&run);
    assert_eq!(program.get("/park?count=7").status, 200);
    wait_until("goroutines at rest", Duration::from_secs(20), || {
        let groups = goroutine_profile(program.pid(), &[]).groups;
        groups.iter().all(|group| group.state != "runnable")
    });
    let profile = goroutine_profile(program.pid(), &[]);
    let file = run.path().join("goroutines.pb.gz");
    let path = file.to_str().expect("a plain path");
    let done = golens_goroutines(program.pid(), &["--pprof", path]);
    assert!(done.status.success(), "{done:?}");

    let top = go_tool_pprof(&["-top", "-lines"], &file);
    assert!(top.contains("Type: goroutine"), "{top}");
    let total = profile.goroutines;
    let all = format!("accounting for {total}, 100% of {total} total");
    assert!(top.contains(&all), "{all} is not in {top}");
    let deep: Vec<&str> = top
        .lines()
        .filter(|line| line.contains(" main.deep "))
        .collect();
    // The innermost call is on another line than the others; all eleven are in both.
    assert_eq!(deep.len(), 2, "{top}");
    for line in deep {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[3], "11", "{line}");
        assert!(line.contains("parked/park.go:"), "{line}");
    }
    program.kill();
}

/// A goroutine that runs between two readings is told from one that does not.
#[test]
fn who_does_not_run_is_told_from_who_does() {
    let run = RunDir::new();
    let program = Spawn::new(PARKED.build()).start(&run);
    assert_eq!(program.get("/park?count=5").status, 200);
    assert_eq!(program.get("/busy?count=200").status, 200);
    let profile = goroutine_profile(program.pid(), &["--seconds", "2"]);
    let started = |name: &str| {
        let groups = profile.groups.iter();
        let of_name = groups.filter(|group| {
            let start = group.start.as_ref();
            start.is_some_and(|place| place.function.starts_with(name))
        });
        of_name.fold((0, 0), |(count, unmoved), group| {
            (count + group.count, unmoved + group.unmoved)
        })
    };
    let (busy, unmoved) = started("main.sit");
    assert!(
        busy >= 200,
        "{busy}: each is followed by another before it ends"
    );
    assert_eq!(unmoved, 0);
    assert_eq!(started("main.init.func1.gowrap1"), (5, 5));
    assert!(profile.system > 3);
    program.kill();
}

#[test]
fn what_is_no_go_process_is_refused_with_a_sentence() {
    let done = golens_goroutines(std::process::id(), &[]);
    assert_eq!(done.status.code(), Some(1));
    let text = String::from_utf8_lossy(&done.stderr);
    assert!(text.contains("is no Go program"), "{text}");
}
