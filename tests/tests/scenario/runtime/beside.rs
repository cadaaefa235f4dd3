//! What runtime/metrics offers beside the values that golens publishes: sums of them, other names for them, and
//! what golens does not read, with the reason.

use golens::runtime::{Distribution, Figure, RuntimeReading};

use super::{
    notes::{Agreement, Truth},
    rows::{Cell, ROWS, time_counts},
};

/// How a name relates to what golens reads.
#[derive(Clone, Copy)]
pub(in super::super) enum Relation {
    /// The sum of these.
    Sum(&'static [Figure]),
    /// The first without the second.
    Difference(Figure, Figure),
    /// Another name for this one.
    Same(Distribution),
    /// Not read, for this reason.
    NotRead(&'static str),
}

/// All names of a release that begin so.
pub(in super::super) struct Beside {
    /// A name; with `*` at its end, whatever follows.
    pub(in super::super) name: &'static str,
    pub(in super::super) relation: Relation,
}

const GC_CPU: [Figure; 4] = [
    Figure::CpuGcAssist,
    Figure::CpuGcDedicated,
    Figure::CpuGcIdle,
    Figure::CpuGcPause,
];
const SCAVENGE_CPU: [Figure; 2] = [Figure::CpuScavengeAssist, Figure::CpuScavengeBackground];
const ALL_CPU: [Figure; 8] = [
    GC_CPU[0],
    GC_CPU[1],
    GC_CPU[2],
    GC_CPU[3],
    SCAVENGE_CPU[0],
    SCAVENGE_CPU[1],
    Figure::CpuIdle,
    Figure::CpuUser,
];
const BY_STATE: &str = "a state of the moment: while the program stands still for the comparison it is another one \
    than while it notes it; golens shows processors by state, and profiles show goroutines by state";
const QUEUES: &str = "kept in queues of the runtime whose place stripped binaries do not tell";

/// Every name without a row of its own.
pub(in super::super) static BESIDE: &[Beside] = &[
    beside("/cpu/classes/gc/total:cpu-seconds", Relation::Sum(&GC_CPU)),
    beside(
        "/cpu/classes/scavenge/total:cpu-seconds",
        Relation::Sum(&SCAVENGE_CPU),
    ),
    beside("/cpu/classes/total:cpu-seconds", Relation::Sum(&ALL_CPU)),
    beside(
        "/gc/cycles/automatic:gc-cycles",
        Relation::Difference(Figure::GcCycles, Figure::GcCyclesForced),
    ),
    beside(
        "/gc/scan/total:bytes",
        Relation::Sum(&[Figure::ScanHeap, Figure::ScanStack, Figure::ScanGlobals]),
    ),
    beside(
        "/gc/pauses:seconds",
        Relation::Same(Distribution::StoppedGc),
    ),
    beside("/gc/cleanups/*", Relation::NotRead(QUEUES)),
    beside("/gc/finalizers/*", Relation::NotRead(QUEUES)),
    beside(
        "/sched/goroutines/running:goroutines",
        Relation::NotRead(BY_STATE),
    ),
    beside(
        "/sched/goroutines/waiting:goroutines",
        Relation::NotRead(BY_STATE),
    ),
    beside(
        "/sched/goroutines/not-in-go:goroutines",
        Relation::NotRead(BY_STATE),
    ),
    beside(
        "/godebug/non-default-behavior/*",
        Relation::NotRead(
            "counted by package internal/godebug in a map by name, and 0 unless GODEBUG or an old go.mod asks for \
             the behaviour of an older release",
        ),
    ),
];

const fn beside(name: &'static str, relation: Relation) -> Beside {
    Beside { name, relation }
}

/// Names that the release offers and that no row and nothing here knows.
pub(super) fn unlisted(truth: &Truth) -> Vec<&str> {
    let names = truth.metrics();
    names
        .filter(|name| {
            !ROWS.iter().any(|row| row.name() == *name)
                && !BESIDE.iter().any(|beside| beside.means(name))
        })
        .collect()
}

impl Beside {
    fn means(&self, name: &str) -> bool {
        match self.name.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == self.name,
        }
    }

    /// Compares the value that follows from a reading with the release's own.
    pub(super) fn check(&self, reading: &RuntimeReading, truth: &Truth) -> Result<Cell, String> {
        if !truth.metrics().any(|name| self.means(name)) {
            return Ok(Cell::NotInRelease);
        }
        let agreement = match self.relation {
            Relation::NotRead(_) => return Ok(Cell::NotRead),
            Relation::Same(times) => {
                let counts = reading.times.get(&times);
                counts.map(|counts| truth.compare_counts(self.name, &time_counts(counts)))
            }
            Relation::Sum(parts) => {
                let parts = parts.iter().map(|figure| reading.number(*figure));
                let sum: Option<f64> = parts.sum();
                sum.map(|sum| truth.compare_rounded(self.name, sum))
            }
            Relation::Difference(all, part) => {
                let all = reading.number(all).zip(reading.number(part));
                all.map(|(all, part)| truth.compare(self.name, all - part))
            }
        };
        match agreement {
            Some(Agreement::Equal) => Ok(Cell::Equal),
            Some(Agreement::Between) => Ok(Cell::Between),
            wrong => Err(format!(
                "{}: {wrong:?}, it is {}",
                self.name,
                truth.shown(self.name)
            )),
        }
    }
}
