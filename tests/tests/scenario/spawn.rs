//! Goroutines are counted where they were created, with what the program itself knows of them.

use std::{fs, path::Path, time::Duration};

use serde_json::json;
use tests::harness::{
    Cgroup, Golens, Metrics, Program, RunDir, Settings, Spawn, Spawned, Target, WindowRow,
    wait_until,
};

/// How long counts may take to be published: they are, every second.
const PATIENCE: Duration = Duration::from_secs(20);

/// The target program, not yet chosen by whom it is built.
pub(super) const PROGRAM: Target = Target::new("spawn/spawn");

/// Name of the place with this text in the sources of the program, in the words of golens.
pub(super) fn site(function: &str, statement: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("targets/spawn/spawn");
    for file in ["goroutines.go", "wakeups.go"] {
        let text = fs::read_to_string(folder.join(file)).expect("a source of the program");
        if let Some(line) = text.lines().position(|line| line.contains(statement)) {
            return format!("{function} ({file}:{})", line + 1);
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
    metrics.count("golens_go_goroutine_created_total", labels)
}

fn exited(metrics: &Metrics, labels: &[(&str, &str)]) -> u64 {
    metrics.count("golens_go_goroutine_exited_total", labels)
}

/// Waits until that many goroutines of a place began and ended.
fn await_site(golens: &Golens, site: &str, (begun, ended): (u64, u64)) {
    let labels = [("golens_go_goroutine_site", site)];
    let mut seen = (0, 0);
    wait_until(&format!("{begun} and {ended} at {site}"), PATIENCE, || {
        let metrics = golens.metrics();
        let now = (created(&metrics, &labels), exited(&metrics, &labels));
        assert!(now >= seen && now.0 <= begun && now.1 <= ended, "{now:?}");
        seen = now;
        now == (begun, ended)
    });
}

/// Counts by place equal those of the program, stacks have the sizes that its recursion needs, and each
/// goroutine costs three hits.
pub(super) fn counted(target: Target) {
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
    await_site(&golens, &site("main.sleepers", "go sleep("), (20, 20));
    await_site(&golens, &site("main.quick", "go nothing("), (2_000, 2_000));
    await_site(&golens, &site("main.park", "go parked("), (50, 30));
    await_site(&golens, &site("main.deep", "go recurse("), (10, 10));

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
