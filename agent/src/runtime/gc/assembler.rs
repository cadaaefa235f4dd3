//! Events of one process, in their order, become stops with exact ends, and cycles.
//!
//! The probe sits at the start of `startTheWorldWithSema`. Of the stops of a cycle only the last, mark
//! termination, knows its own end there. The runtime takes the end of the others after it has woken the
//! Ps, which on a busy machine takes longer than the stop itself, and adds their length to `work.pauseNS`.
//! So their ends are known at the next stop of the same cycle: from `work.tMark` for the first, else from
//! what the pause has grown by.

use agent_ebpf::event::gc::{
    GcStopEvent, KNOWN_CPU_FRACTION, KNOWN_FORCED, KNOWN_GLOBALS, KNOWN_GOAL, KNOWN_HEAP,
    KNOWN_INIT_TIME, KNOWN_MARK_CPU, KNOWN_PAUSE, KNOWN_PROCS, KNOWN_STACK, KNOWN_TIMES,
    REASON_MARK_TERM, REASON_SWEEP_TERM, REASON_UNKNOWN,
};

use super::{GcCycle, MarkCpu, Observed, Phases, Stop, StopReason};
use crate::clock::MonotonicNanos;

/// Stops of one cycle that are kept; the runtime makes two, rarely a few more.
const MOST_STOPS: usize = 64;

/// What an event tells.
#[derive(Clone, Debug, PartialEq)]
pub enum GcNews {
    /// A stop of the world is over; each comes once.
    Stop(Stop),
    /// A cycle is over; each comes once.
    Cycle(Box<GcCycle>),
}

/// Follows the cycles of one process.
#[derive(Debug, Default)]
pub struct Assembler {
    open: Option<Open>,
}

/// A cycle under way.
#[derive(Debug)]
struct Open {
    cycle: u32,
    /// Stops with known ends.
    stops: Vec<Stop>,
    /// The stop whose end is not known yet, and the cycle's pause before it.
    last: Option<(Stop, Option<u64>)>,
}

/// What a stop is to its cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// It begins the cycle.
    First,
    /// Marking goes on after it.
    Further,
    /// It ends the cycle.
    Last,
    /// It belongs to none.
    Other,
}

impl Assembler {
    /// Takes the next event of the process.
    pub fn take(&mut self, event: &GcStopEvent) -> Vec<GcNews> {
        let role = self.role(event);
        let mut news = Vec::new();
        if role == Role::Other {
            news.push(GcNews::Stop(stop(event, role)));
            return news;
        }
        let mut open = match self.open.take() {
            Some(open) if role != Role::First && open.cycle == event.cycle => open,
            // Events were lost, or the probe came in the middle of a cycle.
            lost => {
                let last = lost.and_then(|open| open.last);
                news.extend(last.map(|(stop, _)| GcNews::Stop(stop)));
                Open {
                    cycle: event.cycle,
                    stops: Vec::new(),
                    last: None,
                }
            }
        };
        let this = stop(event, role);
        let before = pause_before(event, &this, role);
        news.extend(open.end_last(event, &this, before).map(GcNews::Stop));
        if role == Role::Last {
            open.keep(this);
            news.push(GcNews::Stop(this));
            news.push(GcNews::Cycle(Box::new(cycle(event, open.stops))));
        } else {
            open.last = Some((this, before));
            self.open = Some(open);
        }
        news
    }

    /// Takes `work.tMark` as somebody else has read it: the end of the cycle's first stop.
    pub fn mark_began(&mut self, mark_ns: u64) -> Option<Stop> {
        let open = self.open.as_mut()?;
        let (stop, _) = open.last.as_ref()?;
        let started = stop.started?;
        if stop.reason != StopReason::SweepTermination || mark_ns <= started.0 {
            return None;
        }
        let ended = Stop {
            ended: MonotonicNanos(mark_ns),
            exact: true,
            ..*stop
        };
        open.last = None;
        open.keep(ended);
        Some(ended)
    }

    /// The stop whose end is not known to the nanosecond yet.
    #[must_use]
    pub fn unfinished(&self) -> Option<&Stop> {
        self.open.as_ref()?.last.as_ref().map(|(stop, _)| stop)
    }

    /// From Go 1.22 on the runtime says why it stopped. Before, the times in `work` tell: they are written
    /// by whoever holds the world's lock, so that nobody else can stop it in between.
    fn role(&self, event: &GcStopEvent) -> Role {
        match event.reason {
            REASON_SWEEP_TERM => Role::First,
            REASON_MARK_TERM if event.now_ns != 0 => Role::Last,
            REASON_MARK_TERM => Role::Further,
            REASON_UNKNOWN if event.knows(KNOWN_TIMES) => self.role_by_times(event),
            _ => Role::Other,
        }
    }

    fn role_by_times(&self, event: &GcStopEvent) -> Role {
        let [sweep_term, mark, mark_term, end] = event.times_ns;
        if mark < sweep_term {
            return Role::First;
        }
        let Some(open) = self.open.as_ref().filter(|open| open.cycle == event.cycle) else {
            return Role::Other;
        };
        let is_new = open.newest() < mark_term;
        match (is_new, mark <= mark_term, mark_term <= end) {
            (true, true, true) => Role::Last,
            (true, true, false) => Role::Further,
            _ => Role::Other,
        }
    }
}

impl Open {
    /// When the newest stop began, 0 without one.
    fn newest(&self) -> u64 {
        let last = self.last.as_ref().map(|(stop, _)| stop);
        let newest = last.or(self.stops.last());
        newest
            .and_then(|stop| stop.started)
            .map_or(0, |started| started.0)
    }

    /// Works out the end of the last stop from the next one's event and the pause before it.
    fn end_last(&mut self, event: &GcStopEvent, next: &Stop, before: Option<u64>) -> Option<Stop> {
        let (stop, before_it) = self.last.take()?;
        let started = stop.started?.0;
        let by_pause = || started.checked_add(before?.checked_sub(before_it?)?);
        let by_mark = (stop.reason == StopReason::SweepTermination && event.knows(KNOWN_TIMES))
            .then_some(event.times_ns[1]);
        let possible = stop.ended.0..=next.started.map_or(u64::MAX, |next| next.0);
        let ended = match by_mark.or_else(by_pause) {
            Some(end) if possible.contains(&end) => Stop {
                ended: MonotonicNanos(end),
                exact: true,
                ..stop
            },
            // Not between its probe and the next stop: an event in between is missing.
            _ => stop,
        };
        self.keep(ended);
        Some(ended)
    }

    fn keep(&mut self, stop: Stop) {
        if self.stops.len() < MOST_STOPS {
            self.stops.push(stop);
        }
    }
}

/// The stop as the event alone shows it.
fn stop(event: &GcStopEvent, role: Role) -> Stop {
    let says = event.reason != REASON_UNKNOWN;
    let [sweep_term, _, mark_term, end] = event.times_ns;
    let reason = match role {
        Role::First => StopReason::SweepTermination,
        Role::Further | Role::Last => StopReason::MarkTermination,
        Role::Other => StopReason::of(event.reason),
    };
    // Up to Go 1.21 a pause begins where its phase does.
    let started = match role {
        _ if says => event.started_ns,
        Role::First => sweep_term,
        Role::Further | Role::Last => mark_term,
        Role::Other => 0,
    };
    let ended = match role {
        Role::Last if says => event.now_ns,
        Role::Last => end,
        _ => event.header.time_ns,
    };
    let unless_zero = |time: u64| (time != 0).then_some(MonotonicNanos(time));
    let probed = Stop {
        reason,
        cycle: event.cycle,
        started: None,
        stopped: None,
        ended: MonotonicNanos(event.header.time_ns),
        exact: false,
    };
    // These are registers and variables of the target. Where they contradict each other, the time of the
    // probe is all that is left.
    if started > ended {
        return probed;
    }
    Stop {
        started: unless_zero(started),
        stopped: unless_zero(event.stopped_ns),
        ended: MonotonicNanos(ended),
        exact: role == Role::Last,
        ..probed
    }
}

/// The cycle's pause without this stop: mark termination has added itself already.
fn pause_before(event: &GcStopEvent, stop: &Stop, role: Role) -> Option<u64> {
    let pause_ns = event.knows(KNOWN_PAUSE).then_some(event.pause_ns)?;
    match role {
        Role::Last => pause_ns.checked_sub(stop.length_ns()?),
        _ => Some(pause_ns),
    }
}

/// What the last event of a cycle says of it.
fn cycle(event: &GcStopEvent, stops: Vec<Stop>) -> GcCycle {
    let known = |part, value: u64| event.knows(part).then_some(value);
    let [sweep_termination, mark, mark_termination, end] = event.times_ns.map(MonotonicNanos);
    let [assist_ns, dedicated_ns, fractional_ns, idle_ns] = event.mark_cpu_ns;
    let [stop_procs, procs] = event.procs;
    let lengths = stops.iter().filter_map(Stop::length_ns);
    let total = lengths.fold(0, u64::saturating_add);
    let observed = Observed {
        phases: event.knows(KNOWN_TIMES).then_some(Phases {
            sweep_termination,
            mark,
            mark_termination,
            end,
        }),
        forced: known(KNOWN_FORCED, event.forced.into()).map(|forced| forced != 0),
        heap_bytes: event.knows(KNOWN_HEAP).then_some(event.heap_bytes),
        goal_bytes: known(KNOWN_GOAL, event.goal_bytes),
        stack_bytes: known(KNOWN_STACK, event.stack_bytes),
        globals_bytes: known(KNOWN_GLOBALS, event.globals_bytes),
        mark_cpu: event.knows(KNOWN_MARK_CPU).then_some(MarkCpu {
            assist_ns,
            dedicated_ns,
            fractional_ns,
            idle_ns,
        }),
        stop_procs: event.knows(KNOWN_PROCS).then_some(stop_procs),
        procs: event.knows(KNOWN_PROCS).then_some(procs),
        cpu_fraction: known(KNOWN_CPU_FRACTION, event.cpu_fraction).map(f64::from_bits),
        since_start_ns: known(KNOWN_INIT_TIME, event.init_time_ns)
            .and_then(|init_time| sweep_termination.0.checked_sub(init_time)),
        stops_complete: event.knows(KNOWN_PAUSE)
            && total == event.pause_ns
            && stops.iter().all(|stop| stop.exact),
        stops,
    };
    GcCycle {
        number: event.cycle,
        pause_ns: event.pause_ns,
        end: None,
        observed: Some(observed),
    }
}

#[cfg(test)]
mod tests;
