//! Every garbage collection is reported with what the program itself knows of it.

use std::time::Duration;

use serde_json::json;
use tests::harness::{
    Cgroup, CycleRow, Golens, MemoryStats, Pauses, Program, RunDir, RuntimeRow, Settings, Spawn,
    Target, wait_for,
};

/// Series of the histogram of pauses by cycle.
pub(super) const PAUSES: &str = "golens_go_gc_cycle_pause_duration_seconds_count";
/// Series of stops by reason.
const STOPS: &str = "golens_go_stop_duration_seconds_count";
/// What the Go runtime calls the two stops of a cycle.
const GC_REASONS: [&str; 2] = ["GC sweep termination", "GC mark termination"];
/// Labels of the program.
const LABELS: [(&str, &str); 1] = [("service_name", "collector")];

/// How much was compared; what differs panics.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// Cycles: number, pause, end, forced or not.
    pub(super) cycles: u64,
    /// Stops, whose lengths add up to the pauses and lie in the runtime's own buckets.
    pub(super) stops: u64,
    /// Of these, stops whose time until the last P had stopped lies in the runtime's bucket for it.
    pub(super) stopping: u64,
    /// Stops for other reasons than GC; as many as the probe was hit beside.
    pub(super) others: Option<u64>,
}

/// Runs batches of collections and compares each cycle with the program's record, to the ns: its pause, its
/// end, whether it was forced, and in the runtime's own histograms the length of each stop.
/// More than 256 cycles in total go around the runtime's ring.
pub(super) fn exact(target: Target, batches: usize) -> Compared {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let program = Spawn::new(target.build())
        .service("collector")
        .in_cgroup(&cgroup)
        .start(&run);
    let golens = Settings::for_cgroup(&cgroup)
        .set("runtime.interval", json!("200ms"))
        .start(&run);
    let _row = golens.await_attached(program.pid(), &["gc"]);

    // The program collects only when asked, so its record stands still between the batches.
    let (first, mut known, mut pauses) = quiet(&golens, &program);
    let reported_before = golens.metrics().count(PAUSES, &LABELS);
    let cycles_before = first.gc_cycles;
    let mut compared = Compared::default();
    for _ in 0..batches {
        let (begun, pauses_before) = (known, pauses);
        assert_eq!(program.get("/churn?cycles=100&gap=3").status, 200);
        let row;
        (row, known, pauses) = quiet(&golens, &program);
        let cycles = usize::try_from(known.num_gc - begun.num_gc).expect("a small number");
        assert!((100..256).contains(&cycles), "{cycles} cycles in one batch");

        assert_eq!(row.gc_pauses_lost, 0);
        let total_ns = (row.gc_pause_total_seconds * 1e9).round();
        assert_eq!(total_ns, known.pause_total_ns as f64);
        let reported = &row.last_pauses_ns;
        assert!(reported.len() >= cycles, "{} of {cycles}", reported.len());
        assert_eq!(
            reported[reported.len() - cycles..],
            known.last_pauses(cycles)
        );
        let seen = timeline(&golens, &program, &begun, &known);
        every_cycle_is_there(&seen, &begun, &known);
        compared.stopping += stops_fit(&seen, &pauses_before, &pauses);
        compared.cycles += seen.len() as u64;
        compared.stops += seen
            .iter()
            .map(|cycle| cycle.stops.len() as u64)
            .sum::<u64>();
    }
    let reported = golens.metrics().count(PAUSES, &LABELS) - reported_before;
    assert_eq!(reported, known.num_gc - cycles_before);
    compared.others = every_hit_is_a_stop(&golens, &program, &pauses);
    golens.stop();
    program.stop();
    compared
}

/// Waits for a reading of as many cycles as the program itself knows. A cycle may still be under way
/// when the program has answered, so both are asked again until they agree.
pub(super) fn settled(golens: &Golens, program: &Program) -> (RuntimeRow, MemoryStats) {
    wait_for("a reading of all cycles", Duration::from_secs(20), || {
        let known: MemoryStats = program.get("/stats").json();
        let rows = golens.runtime();
        let mut own = rows.into_iter().filter(|row| row.pid == program.pid());
        let row = own.find(|row| row.gc_cycles == known.num_gc)?;
        Some((row, known))
    })
}

/// The same with the program's histograms, at a time when no cycle is under way: a forced one waits for
/// others, and what follows it allocates too little for a new one.
fn quiet(golens: &Golens, program: &Program) -> (RuntimeRow, MemoryStats, Pauses) {
    wait_for("a program at rest", Duration::from_secs(20), || {
        assert_eq!(program.get("/collect?cycles=1").status, 200);
        let (row, known) = settled(golens, program);
        let pauses = program.get("/pauses").json();
        let after: MemoryStats = program.get("/stats").json();
        (after.num_gc == known.num_gc).then_some((row, known, pauses))
    })
}

/// The cycles of a batch, oldest first, once ring and probe have both told of the last one.
fn timeline(
    golens: &Golens,
    program: &Program,
    begun: &MemoryStats,
    known: &MemoryStats,
) -> Vec<CycleRow> {
    wait_for(
        "the last cycle in the timeline",
        Duration::from_secs(20),
        || {
            let row = golens.gc(program.pid())?;
            assert_eq!(row.cycles_lost, 0);
            let newest = row.cycles.first()?;
            let is_whole = newest.observed && newest.end_unix_nano.is_some();
            if newest.number != known.num_gc || !is_whole {
                return None;
            }
            let of_batch = row.cycles.into_iter().rev();
            Some(
                of_batch
                    .filter(|cycle| cycle.number > begun.num_gc)
                    .collect(),
            )
        },
    )
}

fn every_cycle_is_there(seen: &[CycleRow], begun: &MemoryStats, known: &MemoryStats) {
    let numbers = seen.iter().map(|cycle| cycle.number);
    assert!(
        numbers.eq(begun.num_gc + 1..=known.num_gc),
        "each once, in order"
    );
    let pauses: Vec<u64> = seen.iter().map(|cycle| cycle.pause_ns).collect();
    assert_eq!(pauses, known.last_pauses(seen.len()));
    let ends: Vec<u64> = seen
        .iter()
        .filter_map(|cycle| cycle.end_unix_nano)
        .collect();
    assert_eq!(ends, known.last_ends(seen.len()));
    let forced = seen
        .iter()
        .filter(|cycle| cycle.forced == Some(true))
        .count() as u64;
    assert_eq!(forced, known.num_forced_gc - begun.num_forced_gc);
    for cycle in seen {
        assert!(cycle.observed && cycle.forced.is_some(), "{cycle:?}");
        assert!(cycle.stops_complete && cycle.stops.len() >= 2, "{cycle:?}");
        assert_eq!(cycle.stops[0].reason, GC_REASONS[0]);
        assert!(
            cycle.stops[1..]
                .iter()
                .all(|stop| stop.reason == GC_REASONS[1])
        );
        assert!(cycle.stops.iter().all(|stop| stop.exact));
        let lengths = cycle.stops.iter().filter_map(|stop| stop.length_ns);
        assert_eq!(lengths.sum::<u64>(), cycle.pause_ns);
    }
}

/// Each stop lies in the bucket in which the runtime counted it: total times in every release, times
/// until the last P had stopped from 1.23 on, which passes them to where the probe is. Answers how many of these.
fn stops_fit(seen: &[CycleRow], before: &Pauses, after: &Pauses) -> u64 {
    let stops = || seen.iter().flat_map(|cycle| &cycle.stops);
    let total = "/gc/pauses:seconds";
    let lengths = stops().filter_map(|stop| stop.length_ns);
    let counted = after[total].since(&before[total]);
    assert_eq!(after[total].of(lengths), counted, "{total}");
    let stopping = "/sched/pauses/stopping/gc:seconds";
    let times: Vec<u64> = stops().filter_map(|stop| stop.stopping_ns).collect();
    match after.get(stopping) {
        Some(histogram) if !times.is_empty() => {
            assert_eq!(times.len(), stops().count(), "all or none");
            let counted = histogram.since(&before[stopping]);
            let found = histogram.of(times.iter().copied());
            assert_eq!(found, counted, "{stopping}");
        }
        _ => assert_eq!(times, [0; 0], "a release that does not count them"),
    }
    times.len() as u64
}

/// From Go 1.22 on, when the runtime tells the bounds of each stop, the probe's hits are the stops that the
/// metrics count, GC or not. Answers how many were for other reasons than GC.
fn every_hit_is_a_stop(golens: &Golens, program: &Program, pauses: &Pauses) -> Option<u64> {
    if !pauses.contains_key("/sched/pauses/total/other:seconds") {
        return None;
    }
    let (mut hits, mut stops) = (0, 0);
    for _ in 0..200 {
        let row = golens.await_attached(program.pid(), &["gc"]);
        let probe = row.probes.iter().find(|probe| probe.feature == "gc");
        hits = probe.expect("attached").hits;
        stops = golens.metrics().count(STOPS, &LABELS);
        if hits == stops {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(stops, hits, "stops of the world and hits of their probe");
    let others = [LABELS[0], ("golens_go_stop_reason", "read mem stats")];
    let others = golens.metrics().count(STOPS, &others);
    assert!(others > 0, "other reasons count, too");
    Some(others)
}
