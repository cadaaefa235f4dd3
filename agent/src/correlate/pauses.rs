//! How long spans were held up by garbage collection: their exact overlap with stops of the world.
//!
//! A stop's record comes when the world restarts, and the end of a cycle's first stop is known only after
//! that, so a span may end before what it met is known. The kernel side looks at the end of each span:
//!
//! - `gcwaiting` was set: a stop was asked for and its record has yet to come. The ring keeps the order
//!   in which records were begun, so the next stop in the ring is that one.
//! - `tMark` was past the start of the cycle's first stop: it is the end of that stop.
//!
//! A span is held back only while one of the two is missing, which is until the next stop. One that waits
//! longer than [`PATIENCE`] goes without seconds, with the number of cycles that it met.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::Duration,
};

use agent_ebpf::{
    event::gc::{GcStopEvent, NOT_READ, SpanGc},
    target::TargetRef,
};

use super::{GcOverlap, Span};
use crate::{
    clock::MonotonicNanos,
    runtime::gc::{Assembler, GcNews, Stop},
};

/// Stops remembered of one process: 1,024 cycles.
const STOPS: usize = 2_048;
/// Spans held back at the same time; more go out with what is known.
const MOST_HELD: usize = 8_192;
/// How long a span may wait.
const PATIENCE: Duration = Duration::from_secs(2);

/// A finished span on the monotonic clock, with what the kernel side saw at its end.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) span: Span,
    pub(super) start: MonotonicNanos,
    pub(super) end: MonotonicNanos,
    pub(super) gc: SpanGc,
}

/// The stops and waiting spans of every process.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    processes: HashMap<TargetRef, Process>,
    held: usize,
}

#[derive(Debug)]
struct Process {
    assembler: Assembler,
    /// No stop is missed from here on.
    since: MonotonicNanos,
    /// By end; the oldest go first.
    stops: VecDeque<Met>,
    /// The last cycle that was seen to end, and when.
    last_cycle: Option<(u32, MonotonicNanos)>,
    /// Records of stops so far.
    records: u64,
    held: Vec<Held>,
}

/// Something a span can meet.
#[derive(Clone, Copy, Debug)]
struct Met {
    start: u64,
    end: u64,
    cycle: u32,
    /// Else it may be longer, or there was more than this.
    exact: bool,
}

#[derive(Debug)]
struct Held {
    finished: Finished,
    /// The record that it waits for, by number.
    until_record: u64,
}

impl Pauses {
    /// Expects records of a process.
    pub(super) fn add(&mut self, target: TargetRef) {
        let process = Process {
            assembler: Assembler::default(),
            since: MonotonicNanos(u64::MAX),
            stops: VecDeque::new(),
            last_cycle: None,
            records: 0,
            held: Vec::new(),
        };
        self.processes.insert(target, process);
    }

    /// From `since` on every stop of a process has a record.
    pub(super) fn probed(&mut self, target: TargetRef, since: MonotonicNanos) {
        if let Some(process) = self.processes.get_mut(&target) {
            process.since = since;
        }
    }

    /// Forgets a process and gives its spans back.
    pub(super) fn forget(&mut self, target: TargetRef) -> Vec<Span> {
        let Some(mut process) = self.processes.remove(&target) else {
            return Vec::new();
        };
        let spans = process.release(|_, _| true);
        self.held = self.held.saturating_sub(spans.len());
        spans
    }

    /// Takes the record of a stop; answers what it tells, and spans that waited for it.
    pub(super) fn stop(
        &mut self,
        target: TargetRef,
        event: &GcStopEvent,
    ) -> (Vec<GcNews>, Vec<Span>) {
        let Some(process) = self.processes.get_mut(&target) else {
            return (Vec::new(), Vec::new());
        };
        let news = process.assembler.take(event);
        process.records = process.records.saturating_add(1);
        for one in &news {
            process.learn(one);
        }
        let spans = process.release(Process::is_known);
        self.held = self.held.saturating_sub(spans.len());
        (news, spans)
    }

    /// Takes a finished span; answers the stop whose end it tells, and the spans that can go out now.
    pub(super) fn span(
        &mut self,
        target: TargetRef,
        finished: Finished,
    ) -> (Option<Stop>, Vec<Span>) {
        let Some(process) = self
            .processes
            .get_mut(&target)
            .filter(|_| finished.gc.stopping != NOT_READ)
        else {
            return (None, vec![unprobed(finished)]);
        };
        let ended = process.assembler.mark_began(finished.gc.mark_ns);
        if let Some(stop) = ended {
            process.learn(&GcNews::Stop(stop));
        }
        let waits = u64::from(finished.gc.stopping != 0);
        let new = Held {
            until_record: process.records.saturating_add(waits),
            finished,
        };
        let crowded = self.held >= MOST_HELD;
        // A span tells nothing to those that wait, unless it brings the end of a stop.
        let mut spans = match ended.is_some() || crowded {
            true => process.release(|process, held| crowded || process.is_known(held)),
            false => Vec::new(),
        };
        self.held = self.held.saturating_sub(spans.len());
        if crowded || process.is_known(&new) {
            spans.push(process.settled(new));
        } else {
            process.held.push(new);
            self.held += 1;
        }
        (ended, spans)
    }

    /// Spans that have waited too long by `now`.
    pub(super) fn overdue(&mut self, now: MonotonicNanos) -> Vec<Span> {
        if self.held == 0 {
            return Vec::new();
        }
        let patience = u64::try_from(PATIENCE.as_nanos()).unwrap_or(u64::MAX);
        let is_late = |held: &Held| held.finished.end.0.saturating_add(patience) < now.0;
        let processes = self.processes.values_mut();
        let spans: Vec<Span> = processes
            .flat_map(|process| process.release(|_, held| is_late(held)))
            .collect();
        self.held = self.held.saturating_sub(spans.len());
        spans
    }
}

impl Process {
    fn learn(&mut self, news: &GcNews) {
        match news {
            GcNews::Stop(stop) if stop.reason.is_gc() => {
                let ended = stop.ended.0;
                // One without a start began at some time after the one before it.
                let before = || self.stops.back().map_or(0, |met| met.end.min(ended));
                let start = stop.started.map_or_else(before, |start| start.0);
                let exact = stop.exact && stop.started.is_some();
                self.meet(start, ended, stop.cycle, exact);
            }
            GcNews::Stop(_) => {}
            GcNews::Cycle(cycle) => {
                let observed = cycle.observed.as_ref();
                let Some(last) = observed.and_then(|observed| observed.stops.last()) else {
                    return;
                };
                let whole = observed.is_some_and(|observed| observed.stops_complete);
                if let Some((number, ended)) = self.last_cycle
                    && (!whole || number.wrapping_add(1) != cycle.number)
                {
                    // Records were lost: whatever ran meanwhile may have met more.
                    self.meet(ended.0, last.ended.0, cycle.number, false);
                }
                self.last_cycle = Some((cycle.number, last.ended));
            }
        }
    }

    fn meet(&mut self, start: u64, end: u64, cycle: u32, exact: bool) {
        if self.stops.len() == STOPS
            && let Some(oldest) = self.stops.pop_front()
        {
            // What began before its end is not fully known any more.
            self.since = self.since.max(MonotonicNanos(oldest.end));
        }
        let met = Met {
            start,
            end,
            cycle,
            exact,
        };
        // Nearly always the last place; the times are the target's, which may be anything.
        let place = self.stops.partition_point(|other| other.end <= end);
        self.stops.insert(place, met);
    }

    /// Whether every stop that a span met is known with both bounds.
    fn is_known(&self, held: &Held) -> bool {
        let unfinished = self.assembler.unfinished();
        let met = |stop: &Stop| stop.started.is_none_or(|start| start <= held.finished.end);
        self.records >= held.until_record && !unfinished.is_some_and(met)
    }

    /// Takes out the spans that may go, each with its overlap.
    fn release(&mut self, may_go: impl Fn(&Self, &Held) -> bool) -> Vec<Span> {
        let held = std::mem::take(&mut self.held);
        let (go, stay) = held.into_iter().partition(|held| may_go(self, held));
        self.held = stay;
        let go: Vec<Held> = go;
        go.into_iter().map(|held| self.settled(held)).collect()
    }

    /// The span with its overlap.
    fn settled(&self, held: Held) -> Span {
        Span {
            gc: self.overlap(&held),
            ..held.finished.span
        }
    }

    fn overlap(&self, held: &Held) -> GcOverlap {
        let (start, end) = (held.finished.start, held.finished.end);
        if start < self.since {
            return GcOverlap::Unknown;
        }
        let met: Vec<&Met> = self.met(start.0, end.0).collect();
        if self.is_known(held) && met.iter().all(|met| met.exact) {
            let length = |met: &&Met| met.end.min(end.0).saturating_sub(met.start.max(start.0));
            return GcOverlap::Pause {
                nanoseconds: met.iter().map(length).fold(0, u64::saturating_add),
            };
        }
        let unfinished = self.assembler.unfinished();
        let unfinished = unfinished.filter(|stop| stop.started.is_none_or(|begun| begun < end));
        let cycles: HashSet<u32> = met
            .iter()
            .map(|met| met.cycle)
            .chain(unfinished.map(|stop| stop.cycle))
            .collect();
        GcOverlap::Cycles(u32::try_from(cycles.len()).unwrap_or(u32::MAX))
    }

    /// What a time met, the newest first. Looks no further back than to the first that had ended before.
    fn met(&self, start: u64, end: u64) -> impl Iterator<Item = &Met> {
        let newest = self.stops.iter().rev();
        newest
            .take_while(move |met| start < met.end)
            .filter(move |met| met.start < end)
    }
}

/// A span of a process whose stops are not probed: only its count of cycles is known.
fn unprobed(finished: Finished) -> Span {
    let gc = match finished.gc.cycles {
        NOT_READ => GcOverlap::Unknown,
        cycles => GcOverlap::Cycles(cycles),
    };
    Span {
        gc,
        ..finished.span
    }
}

#[cfg(test)]
mod tests;
