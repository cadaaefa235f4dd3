//! What requests had to do with garbage collection, against what the program itself met in them.

use std::{collections::BTreeMap, thread, time::Duration};

use serde::Deserialize;
use serde_json::json;
use tests::harness::{
    Cgroup, Golens, Program, RunDir, Settings, SpanRow, Spawn, Target, Toolchain, wait_for,
};

const PAUSE: &str = "golens.gc.pause_overlap";
const CYCLES: &str = "golens.gc.cycles_overlapped";

/// What a request answers: finished cycles at its start and at its end, and the pauses in between.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Met {
    first: u64,
    last: u64,
    pause_ns: u64,
}

fn start(toolchain: Toolchain, probed: bool, run: &RunDir, cgroup: &Cgroup) -> (Golens, Program) {
    let program = Spawn::new(Target::new("gcload").with(toolchain).build())
        .service("collector")
        .in_cgroup(cgroup)
        .start(run);
    let golens = Settings::for_cgroup(cgroup)
        .set("runtime.interval", json!("200ms"))
        .set("probes.gc", json!(probed))
        .start(run);
    let features: &[&str] = if probed { &["http", "gc"] } else { &["http"] };
    let _row = golens.await_attached(program.pid(), features);
    (golens, program)
}

/// The span of a request, by its query.
fn span_of(golens: &Golens, query: &str) -> SpanRow {
    wait_for("the span of a request", Duration::from_secs(20), || {
        let spans = golens.spans().into_iter();
        let mut own = spans.filter(|span| span.attribute("url.query").as_deref() == Some(query));
        own.next()
    })
}

/// The overlap in ns; golens tells seconds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a short time"
)]
fn overlap_ns(span: &SpanRow) -> u64 {
    let seconds = span.attributes.get(PAUSE).and_then(|value| value.as_f64());
    let seconds = seconds.unwrap_or_else(|| panic!("no overlap in {span:?}"));
    (seconds * 1e9).round() as u64
}

/// A request that collects meets the whole pause of each cycle, to the nanosecond.
pub(super) fn whole_pauses(toolchain: Toolchain) {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let (golens, program) = start(toolchain, true, &run, &cgroup);
    for cycles in [0, 1, 2, 5, 20] {
        let query = format!("cycles={cycles}");
        let met: Met = program.get(&format!("/collect?{query}")).json();
        assert_eq!(met.last - met.first, cycles);
        let span = span_of(&golens, &query);
        assert_eq!(overlap_ns(&span), met.pause_ns, "{query}");
        assert_eq!(span.attribute(CYCLES), None, "one of the two");
    }
    golens.stop();
    program.stop();
}

/// Requests beside collections: a cycle that is surely within a request counts wholly, one at its edge
/// may count in part, no other counts.
pub(super) fn parts_of_pauses(toolchain: Toolchain) {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let (golens, program) = start(toolchain, true, &run, &cgroup);
    let requests: BTreeMap<String, Met> = thread::scope(|scope| {
        let churn = scope.spawn(|| program.get("/churn?cycles=100&gap=2").status);
        let clients: Vec<_> = (0..4)
            .map(|client| {
                scope.spawn({
                    let program = &program;
                    move || requests(program, client)
                })
            })
            .collect();
        let met = clients
            .into_iter()
            .flat_map(|client| client.join().expect("answered"));
        let met = met.collect();
        assert_eq!(churn.join().expect("answered"), 200);
        met
    });
    let pauses = pauses(&golens, &program, &requests);
    let within = |from: u64, to: u64| -> u64 {
        let numbers = from..=to;
        let counted = pauses.iter().filter(|(number, _)| numbers.contains(number));
        counted.map(|(_, pause_ns)| pause_ns).sum()
    };
    let mut partly = 0;
    for (query, met) in &requests {
        let span = span_of(&golens, query);
        let overlap = overlap_ns(&span);
        // The next cycle may have begun before the request did, the one before may have ended in it.
        let (least, most) = (
            within(met.first + 2, met.last),
            within(met.first, met.last + 1),
        );
        assert!(
            (least..=most).contains(&overlap),
            "{overlap} of {least} to {most}: {met:?}"
        );
        let length = span.end_unix_nano - span.start_unix_nano;
        assert!(overlap <= length, "{overlap} of {length}");
        partly += u64::from(least < overlap && overlap < most);
    }
    assert!(
        partly > 0,
        "no request met a cycle at its edge: {requests:?}"
    );
    golens.stop();
    program.stop();
}

fn requests(program: &Program, client: u32) -> Vec<(String, Met)> {
    let request = |number: u32| {
        let query = format!("ms={}&id={client}-{number}", 3 + number % 7);
        let met = program.get(&format!("/wait?{query}")).json();
        (query, met)
    };
    (0..30).map(request).collect()
}

/// Pauses by cycle, once the last cycle that a request may have met is known.
fn pauses(
    golens: &Golens,
    program: &Program,
    requests: &BTreeMap<String, Met>,
) -> BTreeMap<u64, u64> {
    let last = requests.values().map(|met| met.last).max().expect("some");
    wait_for("all cycles", Duration::from_secs(20), || {
        let row = golens.gc(program.pid())?;
        let newest = row.cycles.first()?.number;
        let cycles = row.cycles.iter();
        (newest >= last).then(|| cycles.map(|cycle| (cycle.number, cycle.pause_ns)).collect())
    })
}

/// Without the probe of stops, requests tell how many cycles ended in them.
pub(super) fn cycles_without_bounds(toolchain: Toolchain) {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let (golens, program) = start(toolchain, false, &run, &cgroup);
    for cycles in [0, 1, 7] {
        let query = format!("cycles={cycles}");
        let met: Met = program.get(&format!("/collect?{query}")).json();
        let span = span_of(&golens, &query);
        assert_eq!(
            span.attribute(CYCLES),
            Some((met.last - met.first).to_string())
        );
        assert_eq!(span.attribute(PAUSE), None, "one of the two");
    }
    let row = wait_for("the cycles of the ring", Duration::from_secs(20), || {
        golens.gc(program.pid()).filter(|row| row.cycles.len() == 8)
    });
    let only_ring = |cycle: &tests::harness::CycleRow| {
        !cycle.observed && cycle.forced.is_none() && cycle.stops.is_empty()
    };
    assert!(
        row.cycles.iter().all(only_ring),
        "what is not known is not told: {row:?}"
    );
    golens.stop();
    program.stop();
}
