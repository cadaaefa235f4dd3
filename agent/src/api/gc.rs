//! `/api/v1/gc`: garbage collection cycles of each process, newest first.

use std::sync::Arc;

use axum::{
    Json,
    extract::{self, Query, rejection::QueryRejection},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{State, error::Error};
use crate::{
    clock::{MonotonicNanos, UnixNanos},
    recent::{GcTimeline, TimelineCycle},
    runtime::gc::{MarkCpu, Observed, Phases, Stop},
};

/// Cycles of one process in an answer when the request does not say how many; it keeps no more.
const USUAL: usize = 256;

/// Which cycles are wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    pid: Option<u32>,
    service: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn cycles(
    extract::State(state): extract::State<Arc<State>>,
    query: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<Value>, Error> {
    let Query(filter) = query.map_err(|rejection| Error::Query(rejection.body_text()))?;
    let limit = filter.limit.unwrap_or(USUAL);
    let timelines = state.recent.gc_timelines();
    let wanted = |timeline: &&Arc<GcTimeline>| {
        let resource = &timeline.resource;
        filter.pid.is_none_or(|pid| pid == resource.pid)
            && filter
                .service
                .as_ref()
                .is_none_or(|name| *name == resource.service_name)
    };
    let processes: Vec<Value> = timelines
        .iter()
        .filter(wanted)
        .map(|timeline| process(timeline, limit))
        .collect();
    Ok(Json(json!({ "gc": processes })))
}

fn process(timeline: &GcTimeline, limit: usize) -> Value {
    let cycles = timeline.newest(limit);
    let cycles: Vec<CycleBody> = cycles.iter().map(CycleBody::new).collect();
    json!({
        "service": timeline.resource.service_name,
        "pid": timeline.resource.pid,
        "cycles_lost": timeline.lost(),
        "cycles": cycles,
    })
}

/// A cycle as the API shows it; what is not known is null.
#[derive(Debug, Serialize)]
pub(crate) struct CycleBody {
    number: u32,
    pause_ns: u64,
    /// End of the last stop, by the target's clock.
    end_unix_nano: Option<UnixNanos>,
    /// Start of sweep termination.
    start_unix_nano: Option<UnixNanos>,
    /// Whether the probe saw it; else only `pause_ns` and `end_unix_nano` are known.
    observed: bool,
    forced: Option<bool>,
    phases: Option<PhasesBody>,
    heap: Option<HeapBody>,
    heap_goal_bytes: Option<u64>,
    stack_bytes: Option<u64>,
    globals_bytes: Option<u64>,
    mark_cpu: Option<MarkCpuBody>,
    gomaxprocs: Option<u32>,
    /// GC CPU time since the program started, as part of what was available.
    cpu_fraction: Option<f64>,
    since_start_ns: Option<u64>,
    stops: Vec<StopBody>,
    /// Whether the lengths of the stops add up to `pause_ns`.
    stops_complete: bool,
}

#[derive(Debug, Serialize)]
struct PhasesBody {
    sweep_termination_ns: u64,
    mark_ns: u64,
    mark_termination_ns: u64,
}

#[derive(Debug, Serialize)]
struct HeapBody {
    start_bytes: u64,
    end_bytes: u64,
    live_bytes: u64,
}

#[derive(Debug, Serialize)]
struct MarkCpuBody {
    assist_ns: u64,
    dedicated_ns: u64,
    fractional_ns: u64,
    idle_ns: u64,
}

#[derive(Debug, Serialize)]
struct StopBody {
    reason: &'static str,
    start_unix_nano: Option<UnixNanos>,
    length_ns: Option<u64>,
    /// Until the last P had stopped, from Go 1.23 on.
    stopping_ns: Option<u64>,
    exact: bool,
}

impl CycleBody {
    pub(crate) fn new(held: &TimelineCycle) -> Self {
        let cycle = &held.cycle;
        let none = Observed::default();
        let observed = cycle.observed.as_ref().unwrap_or(&none);
        Self {
            number: cycle.number,
            pause_ns: cycle.pause_ns,
            end_unix_nano: cycle.end,
            start_unix_nano: held.start,
            observed: cycle.observed.is_some(),
            forced: observed.forced,
            phases: observed.phases.as_ref().map(phases),
            heap: observed
                .heap_bytes
                .map(|[start_bytes, end_bytes, live_bytes]| HeapBody {
                    start_bytes,
                    end_bytes,
                    live_bytes,
                }),
            heap_goal_bytes: observed.goal_bytes,
            stack_bytes: observed.stack_bytes,
            globals_bytes: observed.globals_bytes,
            mark_cpu: observed.mark_cpu.as_ref().map(mark_cpu),
            gomaxprocs: observed.procs,
            cpu_fraction: observed
                .cpu_fraction
                .filter(|fraction| fraction.is_finite()),
            since_start_ns: observed.since_start_ns,
            stops: observed
                .stops
                .iter()
                .map(|stop| self::stop(stop, held))
                .collect(),
            stops_complete: observed.stops_complete,
        }
    }
}

fn phases(phases: &Phases) -> PhasesBody {
    let [sweep_termination_ns, mark_ns, mark_termination_ns] = phases.lengths_ns();
    PhasesBody {
        sweep_termination_ns,
        mark_ns,
        mark_termination_ns,
    }
}

fn mark_cpu(cpu: &MarkCpu) -> MarkCpuBody {
    MarkCpuBody {
        assist_ns: cpu.assist_ns,
        dedicated_ns: cpu.dedicated_ns,
        fractional_ns: cpu.fractional_ns,
        idle_ns: cpu.idle_ns,
    }
}

fn stop(stop: &Stop, held: &TimelineCycle) -> StopBody {
    let observed = held.cycle.observed.as_ref();
    let begin = observed
        .and_then(|observed| observed.phases)
        .map(|phases| phases.sweep_termination);
    StopBody {
        reason: stop.reason.name(),
        start_unix_nano: stop
            .started
            .and_then(|started| wall_clock(started, begin?, held.start?)),
        length_ns: stop.length_ns(),
        stopping_ns: stop.stopping_ns(),
        exact: stop.exact,
    }
}

/// A time of the cycle by the wall clock, from that of its beginning: no step of the clock falls in between.
fn wall_clock(time: MonotonicNanos, begin: MonotonicNanos, start: UnixNanos) -> Option<UnixNanos> {
    let since = time.0.checked_sub(begin.0)?;
    Some(UnixNanos(start.0.checked_add(since)?))
}
