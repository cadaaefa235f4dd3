//! Which overlap a span gets, and when it may go.

use super::*;
use crate::{
    runtime::gc::testing::{TARGET, mark_termination, sweep_termination},
    telemetry::testing,
};

const SECOND: u64 = 1_000_000_000;

/// A process whose stops are probed from 50 on.
fn watched() -> Pauses {
    let mut pauses = Pauses::default();
    pauses.add(TARGET);
    pauses.probed(TARGET, MonotonicNanos(50));
    pauses
}

fn finished(start: u64, end: u64, mark_ns: u64, stopping: u32) -> Finished {
    Finished {
        span: testing::http_span("shop", None, 200),
        start: MonotonicNanos(start),
        end: MonotonicNanos(end),
        gc: SpanGc {
            mark_ns,
            cycles: NOT_READ,
            stopping,
        },
    }
}

fn overlaps(spans: Vec<Span>) -> Vec<GcOverlap> {
    spans.iter().map(|span| span.gc).collect()
}

fn pause(nanoseconds: u64) -> GcOverlap {
    GcOverlap::Pause { nanoseconds }
}

/// Cycle 7 stops the world from 100 to 160 and from 300 to 330.
fn cycle(pauses: &mut Pauses) {
    pauses.stop(TARGET, &sweep_termination(7, 100, 120));
    let last = mark_termination(7, (300, 330), 332, 90, [99, 160, 299, 330]);
    pauses.stop(TARGET, &last);
}

#[test]
fn the_overlap_is_that_of_the_bounds() {
    let mut pauses = watched();
    cycle(&mut pauses);
    for (start, end, expected) in [
        (60, 90, 0),
        (60, 100, 0),
        (60, 110, 10),
        (110, 120, 10),
        (60, 200, 60),
        (150, 310, 20),
        (60, 400, 90),
        (160, 300, 0),
        (330, 400, 0),
    ] {
        let (_, spans) = pauses.span(TARGET, finished(start, end, 160, 0));
        assert_eq!(overlaps(spans), [pause(expected)], "{start} to {end}");
    }
}

#[test]
fn a_span_that_ends_while_the_world_is_being_stopped_waits_for_that_stop() {
    let mut pauses = watched();
    let (_, spans) = pauses.span(TARGET, finished(60, 110, 0, 1));
    assert!(spans.is_empty());
    // The stop that was asked for: its own end is not needed, it lies behind the span's.
    let (_, spans) = pauses.stop(TARGET, &sweep_termination(7, 100, 120));
    assert!(spans.is_empty(), "the end of that stop is not known");
    let last = mark_termination(7, (300, 330), 332, 90, [99, 160, 299, 330]);
    let (_, spans) = pauses.stop(TARGET, &last);
    assert_eq!(overlaps(spans), [pause(10)]);

    // Somebody else waited for the end of marking, and stopped the world in the meantime.
    let (_, spans) = pauses.span(TARGET, finished(320, 400, 160, 1));
    assert!(spans.is_empty());
    let other = crate::runtime::gc::testing::stop(7, 450, 90, [99, 160, 299, 330]);
    let (_, spans) = pauses.stop(TARGET, &other);
    assert_eq!(overlaps(spans), [pause(10)]);
}

#[test]
fn the_end_of_the_first_stop_comes_with_a_span_or_with_the_last_stop() {
    let mut pauses = watched();
    pauses.stop(TARGET, &sweep_termination(7, 100, 120));
    // It ended while the Ps were woken: the runtime has not written the end down.
    let (ended, spans) = pauses.span(TARGET, finished(60, 150, 0, 0));
    assert!(ended.is_none() && spans.is_empty());
    // The next one knows it, and with it the first one can go.
    let (ended, spans) = pauses.span(TARGET, finished(130, 200, 160, 0));
    assert_eq!(ended.map(|stop| stop.ended.0), Some(160));
    assert_eq!(overlaps(spans), [pause(50), pause(30)]);
}

#[test]
fn a_span_does_not_wait_for_ever() {
    let mut pauses = watched();
    pauses.stop(TARGET, &sweep_termination(7, 100, 120));
    pauses.span(TARGET, finished(60, 200, 0, 0));
    assert!(pauses.overdue(MonotonicNanos(200 + SECOND)).is_empty());
    let late = pauses.overdue(MonotonicNanos(201 + 2 * SECOND));
    assert_eq!(
        overlaps(late),
        [GcOverlap::Cycles(1)],
        "no seconds without both bounds"
    );
    assert!(
        pauses.overdue(MonotonicNanos(u64::MAX)).is_empty(),
        "it went once"
    );
}

#[test]
fn what_waits_is_bounded() {
    let mut pauses = watched();
    pauses.stop(TARGET, &sweep_termination(7, 100, 120));
    for _ in 0..MOST_HELD {
        assert!(pauses.span(TARGET, finished(60, 200, 0, 0)).1.is_empty());
    }
    let (_, spans) = pauses.span(TARGET, finished(60, 200, 0, 0));
    assert_eq!(spans.len(), MOST_HELD + 1);
    assert_eq!(pauses.held, 0);
}

#[test]
fn what_was_not_watched_is_not_known() {
    let mut pauses = watched();
    let (_, spans) = pauses.span(TARGET, finished(49, 60, 0, 0));
    assert_eq!(overlaps(spans), [GcOverlap::Unknown], "before the probe");
    let mut without = finished(60, 70, 0, NOT_READ);
    without.gc.cycles = 3;
    let (_, spans) = pauses.span(TARGET, without);
    assert_eq!(
        overlaps(spans),
        [GcOverlap::Cycles(3)],
        "stops are not probed"
    );
    let (_, spans) = pauses.span(TARGET, finished(60, 70, 0, NOT_READ));
    assert_eq!(overlaps(spans), [GcOverlap::Unknown]);
}

#[test]
fn lost_records_leave_no_wrong_seconds() {
    let mut pauses = watched();
    cycle(&mut pauses);
    // Cycle 8 is missing, and of cycle 9 the first stop.
    let last = mark_termination(9, (900, 930), 932, 90, [699, 760, 899, 930]);
    pauses.stop(TARGET, &last);
    let (_, spans) = pauses.span(TARGET, finished(400, 1_000, 760, 0));
    assert_eq!(overlaps(spans), [GcOverlap::Cycles(1)]);
    let (_, spans) = pauses.span(TARGET, finished(940, 1_000, 760, 0));
    assert_eq!(overlaps(spans), [pause(0)]);
}

#[test]
fn history_is_bounded_and_what_it_does_not_reach_is_not_known() {
    let mut pauses = watched();
    for cycle in 1..=2_000_u32 {
        let at = u64::from(cycle) * 1_000;
        pauses.stop(TARGET, &sweep_termination(cycle, at + 100, at + 120));
        let times = [at + 99, at + 160, at + 299, at + 330];
        let last = mark_termination(cycle, (at + 300, at + 330), at + 332, 90, times);
        pauses.stop(TARGET, &last);
    }
    assert_eq!(pauses.processes[&TARGET].stops.len(), STOPS);
    let mark = 2_000_160;
    let (_, spans) = pauses.span(TARGET, finished(60, 2_001_000, mark, 0));
    assert_eq!(overlaps(spans), [GcOverlap::Unknown]);
    let (_, spans) = pauses.span(TARGET, finished(1_990_000, 2_001_000, mark, 0));
    assert_eq!(overlaps(spans), [pause(11 * 90)]);
}

#[test]
fn a_stop_that_ends_before_it_starts_leaves_no_seconds() {
    let mut pauses = Pauses::default();
    pauses.add(TARGET);
    pauses.probed(TARGET, MonotonicNanos(5));
    let last = mark_termination(7, (100, 50), 120, 90, [99, 60, 99, 50]);
    pauses.stop(TARGET, &last);
    let (_, spans) = pauses.span(TARGET, finished(10, 200, 60, 0));
    assert_eq!(overlaps(spans), [GcOverlap::Cycles(1)]);
    let (_, spans) = pauses.span(TARGET, finished(120, 200, 60, 0));
    assert_eq!(overlaps(spans), [pause(0)], "it was over by its probe");
}

#[test]
fn what_is_met_is_found_in_whatever_order_the_stops_were_told() {
    let mut pauses = watched();
    let process = pauses.processes.get_mut(&TARGET).expect("added");
    // Starts and lengths that repeat only after 1,009 numbers.
    let stops = (1..1_000_u64).map(|n| (n * 577 % 1_009 * 10, n * 211 % 1_009));
    let stops: Vec<(u64, u64)> = stops
        .map(|(start, length)| (start, start + length))
        .collect();
    for (number, (start, end)) in (0..).zip(&stops) {
        process.meet(*start, *end, number, true);
    }
    for start in (0..10_000).step_by(97) {
        let end = start + 250;
        let mut found: Vec<_> = process
            .met(start, end)
            .map(|met| (met.start, met.end))
            .collect();
        let mut expected = stops.clone();
        expected.retain(|stop| stop.0 < end && start < stop.1);
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{start} to {end}");
    }
}

#[test]
fn a_span_that_can_go_leaves_alone_those_that_wait() {
    let mut pauses = watched();
    cycle(&mut pauses);
    for _ in 0..3 {
        assert!(pauses.span(TARGET, finished(400, 410, 160, 1)).1.is_empty());
    }
    let (_, spans) = pauses.span(TARGET, finished(320, 400, 160, 0));
    assert_eq!(overlaps(spans), [pause(10)]);
    assert_eq!(pauses.held, 3);
    let other = crate::runtime::gc::testing::stop(7, 450, 90, [99, 160, 299, 330]);
    assert_eq!(overlaps(pauses.stop(TARGET, &other).1), [pause(0); 3]);
    assert_eq!(pauses.held, 0);
}
