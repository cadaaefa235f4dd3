//! The goroutine profile is what the runtime dumps, and lines are those of the source.

use std::time::Duration;

use tests::harness::{
    Dump, GoroutineProfile, Kind, Place, Program, RunDir, Spawn, Target, goroutine_profile,
    read_dump, wait_for,
};

/// How much was compared; what differs panics.
#[derive(Debug)]
pub(super) struct Compared {
    /// Kinds: state or reason to wait, and creation site.
    pub(super) kinds: usize,
    /// Goroutines of all kinds.
    pub(super) goroutines: u64,
    /// Kinds that wait: the stack of a goroutine that is parked can always be read.
    pub(super) waiting: usize,
    /// Stacks, call by call; every kind that waits has one.
    pub(super) stacks: usize,
}

/// Parks goroutines in all ways there are, and compares counts by state and creation site, and the stacks,
/// with the dump of the runtime itself.
pub(super) fn equal_to_the_dump(target: Target) -> Compared {
    let run = RunDir::new();
    let program = Spawn::new(target.build()).start(&run);
    assert_eq!(program.get("/park?count=3").status, 200);

    let (dump, profile) = at_rest(&program);
    let total: u64 = dump.values().map(|alike| alike.count).sum();
    assert_eq!(profile.goroutines, total, "{target:?}");
    let (truth, told) = (with_site(dump), with_site(profile.as_dump()));
    assert!(truth.len() >= 14, "{} kinds", truth.len());
    let (mut waiting, mut stacks) = (0, 0);
    for (kind, alike) in &truth {
        let golens = told.get(kind);
        assert_eq!(
            golens.map(|it| it.count),
            Some(alike.count),
            "{target:?}: {kind:?}"
        );
        let read = golens.map_or(0, |it| it.stacks.len());
        assert_eq!(read > 0, waits(kind), "{target:?}: {kind:?}: {read} stacks");
        waiting += usize::from(waits(kind));
        for stack in golens.iter().flat_map(|it| &it.stacks) {
            stacks += 1;
            assert!(
                alike.stacks.contains(stack) || alike.stacks.contains(without_wrapper(stack, kind)),
                "{target:?}: {kind:?}: {stack:#?} is none of {:#?}",
                alike.stacks
            );
        }
    }
    assert_eq!(told.len(), truth.len(), "{target:?}: {told:#?}");
    for group in profile
        .groups
        .iter()
        .filter(|group| group.wait_reason.is_some())
    {
        assert!(!group.stack.is_empty(), "{target:?}: {group:?}");
    }
    program.kill();
    Compared {
        kinds: truth.len(),
        goroutines: total,
        waiting,
        stacks,
    }
}

/// Whether goroutines of a kind are parked: a dump shows a state where there is no reason to wait.
fn waits((state, _): &Kind) -> bool {
    !["running", "runnable", "syscall"].contains(&state.as_str())
}

/// Dumps before and after a profile agree, so nothing moved in between.
fn at_rest(program: &Program) -> (Dump, GoroutineProfile) {
    let dump = || read_dump(&program.get("/dump?debug=2").body);
    wait_for("goroutines at rest", Duration::from_secs(20), || {
        let before = dump();
        let profile = goroutine_profile(program.pid(), &[]);
        (dump() == before).then_some((before, profile))
    })
}

/// A `go` statement with arguments begins with a function that the compiler made, which stands on the same
/// line and which dumps leave out.
fn without_wrapper<'s>(stack: &'s [Place], (_, site): &Kind) -> &'s [Place] {
    match stack.split_last() {
        Some(((_, place), calls)) if site.as_ref().is_some_and(|(_, at)| at == place) => calls,
        _ => stack,
    }
}

/// Leaves out the main goroutine, which runs while it dumps and waits while it is read, and the one that
/// runs finalizers: dumps tell no creation site within the runtime.
fn with_site(mut dump: Dump) -> Dump {
    let by_program = |site: &Place| !site.0.starts_with("runtime.");
    dump.retain(|(_, site), _| site.as_ref().is_some_and(by_program));
    dump
}
