//! Goroutines are counted where they were created, with what the program itself knows of them.

use std::{fs, path::Path, time::Duration};

use serde::Deserialize;
use serde_json::json;
use tests::harness::{
    Cgroup, Golens, Metrics, Program, RunDir, Settings, Spawn, Spawned, Target, Trace, WindowRow,
    wait_until,
};

/// How long counts may take to be published: they are, every second.
const PATIENCE: Duration = Duration::from_secs(20);

/// The target program, not yet chosen by whom it is built.
pub(super) const PROGRAM: Target = Target::new("spawn/spawn");

/// Name of the place with this text in the sources of the program, in the words of `golens trace`.
pub(super) fn site(function: &str, statement: &str) -> String {
    let (file, line) = place(statement);
    format!("{function} ({file}:{line})")
}

/// File and line of the place with this text in the sources of the program.
fn place(statement: &str) -> (&'static str, usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("targets/spawn/spawn");
    for file in ["goroutines.go", "wakeups.go"] {
        let text = fs::read_to_string(folder.join(file)).expect("a source of the program");
        if let Some(line) = text.lines().position(|line| line.contains(statement)) {
            return (file, line + 1);
        }
    }
    panic!("no source says `{statement}`")
}

/// Asks the program for goroutines.
pub(super) fn ask(program: &Program, what: &str, count: u64, of: u64) -> Spawned {
    let known: Spawned = program
        .get(&format!("/{what}?count={count}&of={of}"))
        .json();
    assert_eq!(known.goroutines, count);
    known
}

/// An agent whose goroutine probes stay attached, when it counts the program's goroutines.
fn watching(run: &RunDir, cgroup: &Cgroup, program: &Program) -> Golens {
    let always = json!({"enabled": true, "length": "1s", "every": "1s", "budget": 10_000_000});
    let golens = Settings::for_cgroup(cgroup)
        .set("probes.goroutines", always)
        .start(run);
    wait_until("goroutines to be counted", PATIENCE, || {
        window(&golens, program).is_some()
    });
    golens
}

/// The last window of the goroutine probes.
pub(super) fn window(golens: &Golens, program: &Program) -> Option<WindowRow> {
    let targets = golens.targets().into_iter();
    let mut windows = targets
        .filter(|target| target.pid == program.pid())
        .flat_map(|target| target.windows);
    windows.find(|window| window.feature == "goroutine")
}

fn created(metrics: &Metrics, labels: &[(&str, &str)]) -> u64 {
    metrics.count("golens_go_goroutine_sampled_created_total", labels)
}

fn exited(metrics: &Metrics, labels: &[(&str, &str)]) -> u64 {
    metrics.count("golens_go_goroutine_sampled_exited_total", labels)
}

/// Waits until that many goroutines of a function's statement began and ended.
fn await_site(golens: &Golens, (function, statement): (&str, &str), (begun, ended): (u64, u64)) {
    let (file, line) = place(statement);
    let line = line.to_string();
    let labels = [
        ("code_function_name", function),
        ("code_line_number", line.as_str()),
    ];
    let mut seen = (0, 0);
    let what = format!("{begun} and {ended} at {statement}");
    wait_until(&what, PATIENCE, || {
        let metrics = golens.metrics();
        let name = "golens_go_goroutine_sampled_created_total";
        for sample in metrics.find(name, &labels) {
            let path = Path::new(&sample.labels["code_file_path"]);
            assert!(path.ends_with(file), "{sample:?}");
        }
        let now = (created(&metrics, &labels), exited(&metrics, &labels));
        assert!(now >= seen && now.0 <= begun && now.1 <= ended, "{now:?}");
        seen = now;
        now == (begun, ended)
    });
}

/// Goroutines that were compared with the program's own counts; what differs panics.
#[derive(Debug)]
pub(super) struct Counted {
    /// `go` statements.
    pub(super) places: usize,
    /// Begun and ended there.
    pub(super) begun: u64,
    pub(super) ended: u64,
}

/// Counts by place equal those of the program, stacks have the sizes that its recursion needs, and each
/// goroutine costs three hits.
pub(super) fn counted(target: Target) -> Counted {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let program = Spawn::new(target.build())
        .service("spawn")
        .in_cgroup(&cgroup)
        .start(&run);
    let golens = watching(&run, &cgroup, &program);

    ask(&program, "sleepers", 20, 500);
    ask(&program, "quick", 2_000, 0);
    ask(&program, "parked", 50, 0);
    ask(&program, "released", 30, 0);
    ask(&program, "deep", 10, 40);
    let places = [
        (("main.sleepers", "go sleep("), (20, 20)),
        (("main.quick", "go nothing("), (2_000, 2_000)),
        (("main.park", "go parked("), (50, 30)),
        (("main.deep", "go recurse("), (10, 10)),
    ];
    for (place, known) in places {
        await_site(&golens, place, known);
    }

    // Nothing else in the program uses so much; 40 KiB do not fit into half of it.
    let metrics = golens.metrics();
    let up_to = |bytes: &str| {
        let name = "golens_go_goroutine_stack_size_bytes_bucket";
        metrics.count(name, &[("le", bytes)])
    };
    assert_eq!(up_to("65536") - up_to("32768"), 10);
    assert_eq!(up_to("+Inf"), up_to("65536"));
    assert_eq!(up_to("+Inf"), exited(&metrics, &[]));
    assert!(metrics.count("golens_go_goroutine_lifetime_seconds_count", &[]) >= 2_060);

    at_rest(&golens, 2_080);
    assert_eq!(golens.drops(), [].into());
    golens.stop();
    program.stop();
    Counted {
        places: places.len(),
        begun: places.iter().map(|(_, (begun, _))| begun).sum(),
        ended: places.iter().map(|(_, (_, ended))| ended).sum(),
    }
}

/// The kernel has run each program once per goroutine. Programs that were hit before counting began are
/// the difference, which stands still while nothing begins or ends.
fn at_rest(golens: &Golens, least: u64) {
    wait_until("hits to equal goroutines", PATIENCE, || {
        let metrics = golens.metrics();
        let (begun, ended) = (created(&metrics, &[]), exited(&metrics, &[]));
        let runs = |program| golens.kernel_runs(program);
        let [new, born, exit] = ["goroutine_new", "goroutine_born", "goroutine_exit"].map(runs);
        assert!(
            new >= begun && exit >= ended && new == born,
            "{new} {born} {exit}"
        );
        begun >= least && new == begun && exit == ended
    });
}

/// The last line of a trace, for its whole time.
#[derive(Debug, Deserialize)]
pub(super) struct Traced {
    /// Why it ended.
    pub(super) end: String,
    hits: u64,
    budget: u64,
    sites: Vec<TracedSite>,
}

#[derive(Debug, Deserialize)]
struct TracedSite {
    site: String,
    /// Of a trace of goroutines.
    #[serde(default)]
    created: u64,
    #[serde(default)]
    exited: u64,
    live: Option<u64>,
    lifetimes: Option<Durations>,
    #[serde(default)]
    stacks: Vec<(u64, u64)>,
    /// Of a trace of the scheduler.
    #[serde(default)]
    runs: u64,
    waits: Option<Durations>,
}

#[derive(Debug, Deserialize)]
struct Durations {
    count: u64,
    sum_ns: u64,
    p50_ns: Option<u64>,
    buckets: Vec<(Option<u64>, u64)>,
}

impl Traced {
    fn site(&self, name: &str) -> &TracedSite {
        let found = self.sites.iter().find(|site| site.site.starts_with(name));
        found.unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }
}

impl Durations {
    /// Every duration is in one bucket, and the sum lies between the two that the program knows.
    fn assert(&self, known: Spawned) {
        assert_eq!(self.count, known.goroutines);
        let in_buckets: u64 = self.buckets.iter().map(|(_, count)| count).sum();
        assert_eq!(in_buckets, self.count);
        assert!(
            (known.least_ns..=known.most_ns).contains(&self.sum_ns),
            "{} is outside of {known:?}",
            self.sum_ns
        );
    }

    /// How many are longer than a bound.
    fn above(&self, bound_ns: u64) -> u64 {
        let longer = |bound: &Option<u64>| bound.is_none_or(|bound| bound > bound_ns);
        let buckets = self.buckets.iter().filter(|(bound, _)| longer(bound));
        buckets.map(|(_, count)| count).sum()
    }
}

/// A trace of goroutines knows each place, lifetimes within what the program measures in and around them,
/// and the sizes of their stacks. Answers how many goroutines it compared.
pub(super) fn traced(target: Target, coroutines: bool) -> u64 {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let program = Spawn::new(target.build()).in_cgroup(&cgroup).start(&run);
    let _before = ask(&program, "parked", 10, 0);
    let trace = Trace::start("goroutines", &program, &["--interval", "100ms"], &run);
    let slept = ask(&program, "sleepers", 50, 700);
    ask(&program, "parked", 40, 0);
    ask(&program, "released", 25, 0);
    ask(&program, "deep", 10, 40);
    if coroutines {
        ask(&program, "coroutines", 30, 0);
    }
    let traced: Traced = trace.stop();
    assert_eq!(traced.end, "interrupted");

    let sleepers = traced.site(&site("main.sleepers", "go sleep("));
    assert_eq!((sleepers.created, sleepers.exited), (50, 50));
    assert_eq!(sleepers.live, Some(0));
    let lifetimes = sleepers.lifetimes.as_ref().expect("births are seen");
    lifetimes.assert(slept);
    assert_eq!(lifetimes.above(524_288), 50, "each has slept for 700 us");
    assert!(lifetimes.p50_ns >= Some(700_000), "{lifetimes:?}");

    // Ten were there before; who is released first is the channel's choice.
    let parked = traced.site(&site("main.park", "go parked("));
    assert_eq!((parked.created, parked.exited), (40, 25));
    let ended = parked.lifetimes.as_ref().expect("births are seen").count;
    assert!((15..=25).contains(&ended), "{ended}");
    assert_eq!(parked.live, Some(40 - ended));

    let deep = traced.site(&site("main.deep", "go recurse("));
    assert_eq!((deep.created, deep.exited), (10, 10));
    assert_eq!(deep.stacks, [(65_536, 10)]);

    if coroutines {
        let pulled = traced.site("iter.Pull");
        assert_eq!((pulled.created, pulled.exited), (30, 30));
        assert_eq!(pulled.live, Some(0));
    }
    program.stop();
    let pulled = if coroutines { 30 } else { 0 };
    sleepers.created + parked.created + deep.created + pulled
}

/// A trace of the scheduler knows every wait of a goroutine that is woken, within what the program measures,
/// and agrees with the sample that the runtime itself takes. Answers how many waits it compared.
pub(super) fn waits(target: Target) -> u64 {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let program = Spawn::new(target.build()).in_cgroup(&cgroup).start(&run);
    let trace = Trace::start("sched", &program, &["--interval", "100ms"], &run);
    let known = ask(&program, "wakeups", 2_000, 0);
    let traced: Traced = trace.stop();

    let woken = traced.site(&site("main.wakeups", "go woken("));
    let waits = woken.waits.as_ref().expect("a trace of the scheduler");
    waits.assert(known);
    // It may have been preempted, which begins a wait unseen.
    assert!(woken.runs >= waits.count, "{woken:?}");

    // One in eight of all goroutines' waits, each counted from another offset.
    let all = traced.sites.iter().filter_map(|site| site.waits.as_ref());
    let long: u64 = all.map(|waits| waits.above(32_768)).sum();
    let sampled = 8 * known.sampled;
    assert!(
        sampled.abs_diff(long) <= long / 10 + 32,
        "{long} waits, of which the runtime has sampled {}",
        known.sampled
    );
    program.stop();
    waits.count
}

/// A trace that has used up its hits ends by itself and says so; the program goes on without probes.
pub(super) fn over_budget(what: &str) {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let program = Spawn::new(PROGRAM.build()).in_cgroup(&cgroup).start(&run);
    let options = ["--interval", "100ms", "--budget", "1000"];
    let trace = Trace::start(what, &program, &options, &run);
    ask(&program, "quick", 2_000, 0);
    let traced: Traced = trace.end();
    assert_eq!(traced.end, "budget");
    assert!(traced.budget == 1_000 && traced.hits >= 1_000, "{traced:?}");
    ask(&program, "quick", 100, 0);
    program.stop();
}
