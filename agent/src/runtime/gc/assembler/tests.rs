//! The assembler against sequences that the runtime can produce.

use agent_ebpf::event::gc::{KNOWN_PAUSE, KNOWN_TIMES};

use super::*;
use crate::runtime::gc::testing::{mark_termination, stop, sweep_termination};

/// Reason, start, end and exactness of each stop that is told, and the cycles.
type Told = (Vec<(StopReason, u64, u64, bool)>, Vec<GcCycle>);

fn told(events: impl IntoIterator<Item = GcStopEvent>) -> Told {
    let mut assembler = Assembler::default();
    let (mut stops, mut cycles) = (Vec::new(), Vec::new());
    for news in events.into_iter().flat_map(|event| assembler.take(&event)) {
        match news {
            GcNews::Stop(stop) => {
                let started = stop.started.map_or(0, |started| started.0);
                stops.push((stop.reason, started, stop.ended.0, stop.exact));
            }
            GcNews::Cycle(cycle) => cycles.push(*cycle),
        }
    }
    (stops, cycles)
}

fn observed(cycle: &GcCycle) -> &Observed {
    cycle.observed.as_ref().expect("seen by the probe")
}

const SWEEP: StopReason = StopReason::SweepTermination;
const MARK: StopReason = StopReason::MarkTermination;

#[test]
fn the_first_stop_ends_where_marking_begins_and_not_at_the_probe() {
    let (stops, cycles) = told([
        sweep_termination(7, 100, 120),
        // It took 40 ns to wake the Ps behind the probe.
        mark_termination(7, (300, 330), 332, 60 + 30, [99, 160, 299, 330]),
    ]);
    assert_eq!(stops, [(SWEEP, 100, 160, true), (MARK, 300, 330, true)]);
    assert_eq!((cycles[0].number, cycles[0].pause_ns), (7, 90));
    let seen = observed(&cycles[0]);
    assert!(seen.stops_complete && seen.forced == Some(true));
    let phases = seen.phases.expect("known");
    assert_eq!(phases.lengths_ns(), [61, 139, 31]);
    assert_eq!(seen.goal_bytes, None, "not read is not 0");
}

#[test]
fn a_cycle_may_try_to_end_more_than_once() {
    let (stops, cycles) = told([
        sweep_termination(7, 100, 120),
        mark_termination(7, (200, 0), 210, 60, [99, 160, 199, 50]),
        mark_termination(7, (300, 0), 310, 60 + 15, [99, 160, 299, 50]),
        mark_termination(7, (400, 430), 432, 60 + 15 + 25 + 30, [99, 160, 399, 430]),
    ]);
    let expected = [
        (SWEEP, 100, 160, true),
        (MARK, 200, 215, true),
        (MARK, 300, 325, true),
        (MARK, 400, 430, true),
    ];
    assert_eq!(stops, expected);
    assert!(observed(&cycles[0]).stops_complete);
}

#[test]
fn before_go_1_22_the_times_tell_what_a_stop_was_for() {
    let idle = [99, 160, 299, 330];
    let (stops, cycles) = told([
        stop(6, 20, 0, [0; 4]),
        stop(7, 120, 0, [100, 0, 0, 0]),
        // The program reads its statistics while it is marked.
        stop(7, 180, 60, [100, 160, 0, 0]),
        stop(7, 250, 60, [100, 160, 240, 0]),
        stop(7, 260, 60 + 17, [100, 160, 240, 0]),
        stop(7, 335, 60 + 17 + 30, [100, 160, 300, 330]),
        stop(7, 400, 60 + 17 + 30, [100, 160, 300, 330]),
        stop(8, 520, 0, [500, 160, 300, 330]),
        stop(8, 620, 25 + 10, [500, 525, 610, 620]),
    ]);
    let other = |probe| (StopReason::NotGc, 0, probe, false);
    let expected = [
        other(20),
        other(180),
        other(260),
        (SWEEP, 100, 160, true),
        (MARK, 240, 257, true),
        (MARK, 300, 330, true),
        other(400),
        (SWEEP, 500, 525, true),
        (MARK, 610, 620, true),
    ];
    let mut sorted = stops.clone();
    sorted.sort_by_key(|(_, started, ended, _)| if *started == 0 { *ended } else { *started });
    let mut wanted = expected.to_vec();
    wanted.sort_by_key(|(_, started, ended, _)| if *started == 0 { *ended } else { *started });
    assert_eq!(sorted, wanted);
    let numbers: Vec<u32> = cycles.iter().map(|cycle| cycle.number).collect();
    assert_eq!(numbers, [7, 8]);
    assert!(cycles.iter().all(|cycle| observed(cycle).stops_complete));
    assert_eq!(
        told([stop(7, 400, 0, idle)]).1,
        [],
        "it ended before the probe came"
    );
}

#[test]
fn what_is_missing_makes_no_wrong_stop() {
    // The first stop was lost: the cycle is told, and that its stops are not all there.
    let last = mark_termination(7, (300, 330), 332, 90, [99, 160, 299, 330]);
    let (stops, cycles) = told([last]);
    assert_eq!(stops, [(MARK, 300, 330, true)]);
    assert!(!observed(&cycles[0]).stops_complete);
    assert_eq!(cycles[0].pause_ns, 90);

    // The last stop was lost: the first one is told once, with the time of its probe.
    let (stops, cycles) = told([
        sweep_termination(7, 100, 120),
        sweep_termination(8, 500, 520),
        mark_termination(8, (700, 710), 712, 50 + 10, [499, 550, 699, 710]),
    ]);
    let expected = [
        (SWEEP, 100, 120, false),
        (SWEEP, 500, 550, true),
        (MARK, 700, 710, true),
    ];
    assert_eq!(stops, expected);
    assert_eq!(cycles.len(), 1);

    // A stop in between was lost: what the pause grew by is not one stop's.
    let (stops, cycles) = told([
        mark_termination(7, (200, 0), 210, 60, [99, 160, 199, 50]),
        mark_termination(7, (400, 430), 432, 60 + 15 + 225 + 30, [99, 160, 399, 430]),
    ]);
    assert_eq!(stops, [(MARK, 200, 210, false), (MARK, 400, 430, true)]);
    assert!(!observed(&cycles[0]).stops_complete);
}

#[test]
fn without_the_times_the_pause_tells_the_end() {
    let blind = |event: GcStopEvent| GcStopEvent {
        known: event.known & !KNOWN_TIMES,
        times_ns: [0; 4],
        ..event
    };
    let events = [
        sweep_termination(7, 100, 120),
        mark_termination(7, (300, 330), 332, 60 + 30, [99, 160, 299, 330]),
    ];
    let (stops, cycles) = told(events.map(blind));
    assert_eq!(stops, [(SWEEP, 100, 160, true), (MARK, 300, 330, true)]);
    assert_eq!(observed(&cycles[0]).phases, None);

    let blinder = |event: GcStopEvent| GcStopEvent {
        known: blind(event).known & !KNOWN_PAUSE,
        ..blind(event)
    };
    let (stops, cycles) = told(events.map(blinder));
    assert_eq!(stops, [(SWEEP, 100, 120, false), (MARK, 300, 330, true)]);
    assert!(!observed(&cycles[0]).stops_complete);
}

#[test]
fn somebody_else_may_see_the_beginning_of_marking_first() {
    let mut assembler = Assembler::default();
    assert_eq!(assembler.mark_began(160), None);
    assert_eq!(assembler.take(&sweep_termination(7, 100, 120)), []);
    let unfinished = assembler.unfinished().expect("its end is not known");
    assert_eq!((unfinished.ended.0, unfinished.exact), (120, false));
    assert_eq!(assembler.mark_began(90), None, "that of the cycle before");
    let ended = assembler.mark_began(160).expect("the end");
    assert_eq!((ended.ended.0, ended.exact), (160, true));
    assert_eq!(assembler.mark_began(160), None, "told once");
    assert!(assembler.unfinished().is_none());
    let news = assembler.take(&mark_termination(
        7,
        (300, 330),
        332,
        90,
        [99, 160, 299, 330],
    ));
    let [GcNews::Stop(stop), GcNews::Cycle(cycle)] = news.as_slice() else {
        panic!("{news:?}");
    };
    assert_eq!(stop.reason, MARK);
    assert!(observed(cycle).stops_complete);
}

#[test]
fn a_stop_that_ends_before_it_starts_has_no_length() {
    let first = sweep_termination(7, 100, 120);
    let last = mark_termination(7, (300, 250), 332, 90, [99, 160, 299, 250]);
    let (stops, cycles) = told([first, last]);
    assert_eq!(stops, [(SWEEP, 100, 160, true), (MARK, 0, 332, false)]);
    let seen = observed(&cycles[0]);
    assert!(!seen.stops_complete);
    assert_eq!(seen.stops[1].length_ns(), None);
    let mut assembler = Assembler::default();
    assembler.take(&sweep_termination(7, 130, 120));
    let unfinished = assembler.unfinished().expect("under way");
    assert_eq!((unfinished.started, unfinished.ended.0), (None, 120));
    assert_eq!(assembler.mark_began(160), None);
}
