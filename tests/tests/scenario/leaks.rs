//! A leak is told with its place in the source, and what is no leak is not.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use serde::Deserialize;
use tests::harness::{
    Cgroup, Golens, Place, Program, RunDir, Settings, SourceLine, Spawn, Target, read_dump,
    wait_for,
};

/// How soon a leak of a hundred goroutines a second is told.
const PROMPT: Duration = Duration::from_secs(30);
/// Profiles that begin within that time, one every four seconds.
const PROFILES: usize = 8;

/// An entry of `/api/v1/goroutines`.
#[derive(Debug, Deserialize)]
pub(super) struct Row {
    /// Process id.
    pub(super) pid: u32,
    /// When it was profiled.
    taken_unix_nano: u64,
    /// Goroutines of the program.
    pub(super) goroutines: u64,
    /// Creation sites that leak.
    pub(super) leaks: Vec<Leak>,
}

/// One of them.
#[derive(Debug, Deserialize)]
pub(super) struct Leak {
    /// The `go` statement.
    pub(super) created_by: SourceLine,
    /// What they wait for.
    pub(super) wait_reason: String,
    /// How many.
    pub(super) count: u64,
    /// How fast they become more.
    pub(super) per_second: f64,
}

impl Leak {
    /// What its goroutines wait for, and where they were begun, as dumps write it.
    fn kind(&self) -> (String, Place) {
        (self.wait_reason.clone(), self.created_by.place())
    }
}

/// A program in a group of its own with an agent that profiles it as it does by default.
pub(super) fn observed(run: &RunDir, cgroup: &Cgroup) -> (Program, Golens) {
    let program = Spawn::new(Target::new("goroutines/parked").stripped(true).build())
        .service("parked")
        .in_cgroup(cgroup)
        .start(run);
    let golens = Settings::for_cgroup(cgroup).start(run);
    let what = "a profile of the program";
    wait_for(what, Duration::from_secs(20), || row(&golens, &program));
    (program, golens)
}

/// The last profile of the program.
pub(super) fn row(golens: &Golens, program: &Program) -> Option<Row> {
    let rows: Vec<Row> = golens.api("goroutines", &format!("pid={}", program.pid()));
    rows.into_iter().find(|row| row.pid == program.pid())
}

/// Among ten thousand goroutines that come and go, one place leaks a hundred a second; it is told in the first
/// profiles, which are as many as fit into half a minute, once, and nothing else is. Answers how long it took.
pub(super) fn one_site_leaks() -> Duration {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let (program, golens) = observed(&run, &cgroup);
    assert_eq!(program.get("/busy?count=10000").status, 200);
    wait_for("all of them", Duration::from_secs(20), || {
        row(&golens, &program).filter(|row| row.goroutines >= 10_000)
    });
    assert_eq!(program.get("/leak?rate=100").status, 200);
    let begun = Instant::now();
    let (leak, profiles) = await_leak(&golens, &program);
    let passed = begun.elapsed();
    assert!(profiles <= PROFILES, "told by profile {profiles}");

    let site = leaking_site(&program);
    assert_eq!(leak.kind(), ("chan receive".to_owned(), site.clone()));
    assert!(leak.count >= 1_000, "{leak:?}");
    assert!((80.0..120.0).contains(&leak.per_second), "{leak:?}");

    let (_, line) = site.1.rsplit_once(':').expect("file:line");
    let metrics = golens.metrics();
    let labels = [
        ("service_name", "parked"),
        ("code_function_name", site.0.as_str()),
        ("code_line_number", line),
    ];
    assert!(metrics.count("golens_go_goroutine_leak_size", &labels) >= 1_000);
    // Of what begins the goroutines the compiler makes a function of its own, for they have an argument.
    let name = "golens_go_goroutine_leak_growth_per_second";
    let starts = metrics.find(name, &labels).into_iter();
    let starts: Vec<&String> = starts
        .map(|sample| &sample.labels["golens_go_goroutine_start"])
        .collect();
    assert!(
        starts.len() == 1 && starts[0].starts_with("main.leak"),
        "{starts:?}"
    );
    let found = metrics.count("golens_go_goroutine_leaks_total", &labels[..1]);
    assert_eq!(found, 1);
    let told = golens.output();
    assert_eq!(told.matches("goroutines leak").count(), 1, "{told}");
    assert!(told.contains(&site.1), "{told}");
    golens.stop();
    program.kill();
    passed
}

/// Leaks of a hundred a second that wait in select, at a mutex, a wait group and a condition, all at once: each
/// is told with its place and its reason in the first profiles.
pub(super) fn whatever_they_wait_for() {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let (program, golens) = observed(&run, &cgroup);
    assert_eq!(program.get("/leakall?rate=100").status, 200);
    let before = row(&golens, &program).map(|row| row.taken_unix_nano);
    let mut taken: BTreeSet<u64> = before.into_iter().collect();
    let leaks = wait_for("all leaks", Duration::from_secs(120), || {
        let row = row(&golens, &program)?;
        taken.insert(row.taken_unix_nano);
        (row.leaks.len() == 4).then_some(row.leaks)
    });
    let profiles = taken.len() - 1;
    assert!(profiles <= PROFILES, "told by profile {profiles}");

    let told: BTreeSet<_> = leaks.iter().map(Leak::kind).collect();
    let dump = read_dump(&program.get("/dump?debug=2").body);
    let truth: BTreeSet<_> = dump
        .into_iter()
        .filter(|(_, alike)| alike.count >= 1_000)
        .filter_map(|((reason, site), _)| Some((reason, site?)))
        .collect();
    assert_eq!(told, truth);
    golens.stop();
    program.kill();
}

/// Time may be short only where nothing else runs.
pub(super) fn one_site_leaks_and_is_told_in_time() {
    let passed = one_site_leaks();
    assert!(passed < PROMPT, "told after {passed:?}");
}

/// The first leak that is told, and by which of the profiles from now on.
fn await_leak(golens: &Golens, program: &Program) -> (Leak, usize) {
    let before = row(golens, program).map(|row| row.taken_unix_nano);
    let mut taken: BTreeSet<u64> = before.into_iter().collect();
    let leak = wait_for("the leak", Duration::from_secs(120), || {
        let mut row = row(golens, program)?;
        taken.insert(row.taken_unix_nano);
        row.leaks.pop()
    });
    (leak, taken.len() - 1)
}

/// The place of the `go` statement by the program's own dump.
fn leaking_site(program: &Program) -> (String, String) {
    let dump = read_dump(&program.get("/dump?debug=2").body);
    let mut sites = dump.into_keys().filter_map(|(_, site)| site);
    sites
        .find(|(function, _)| function.starts_with("main.leak."))
        .expect("leaked goroutines")
}

/// Pools that grow and level off, workers, bursts, connections and requests without a back end are no leak for
/// all that time.
pub(super) fn a_healthy_program(time: Duration) {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let (program, golens) = observed(&run, &cgroup);
    assert_eq!(program.get("/healthy").status, 200);
    assert_eq!(program.get("/busy?count=10000").status, 200);
    let until = Instant::now() + time;
    let mut most = 0;
    while Instant::now() < until {
        let row = row(&golens, &program).expect("still there");
        assert!(row.leaks.is_empty(), "{:?}", row.leaks);
        most = most.max(row.goroutines);
        std::thread::sleep(Duration::from_secs(1));
    }
    assert!(most > 13_000, "{most} goroutines");
    let told = golens.output();
    assert!(!told.contains("goroutines leak"), "{told}");
    golens.stop();
    program.kill();
}
