//! The table: each value that is read, and what it is compared with.

use golens::runtime::{Absence, Distribution, Figure, RuntimeReading, SizeCounts, TimeCounts};

use super::notes::{Agreement, Truth};

/// One value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Value {
    Number(Figure),
    Times(Distribution),
    Allocated,
    Freed,
}

/// What a value is compared with where runtime/metrics of the release does not have its name.
#[derive(Clone, Copy)]
enum Other {
    /// Nothing.
    None,
    /// Another value that the program notes, in this many parts of the unit.
    Noted(&'static str, f64),
    /// What it must be in a program that stands still; none where that cannot be told.
    Must(fn(&Truth) -> Option<f64>),
    /// What it must lie between in such a program.
    Bounds(fn(&RuntimeReading) -> Option<(f64, f64)>),
}

/// A row of the table.
pub(in super::super) struct Row {
    pub(in super::super) value: Value,
    other: Other,
    /// The meaning of the release's own value differs from this one's.
    ignores_metric: bool,
}

/// How a value of a build was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Cell {
    /// Equal to what the program says before and after.
    Equal,
    /// Between what the program says before and after.
    Between,
    /// Within the bounds that a program that stands still has.
    Bounds,
    /// Read; the build itself offers nothing to compare it with.
    Read,
    /// The release does not have it.
    NotInRelease,
    /// A stripped binary does not tell where it is.
    Unknown,
    /// The release offers it, and golens does not read it.
    NotRead,
}

const fn row(value: Value, other: Other) -> Row {
    Row {
        value,
        other,
        ignores_metric: false,
    }
}

const fn number(figure: Figure) -> Row {
    row(Value::Number(figure), Other::None)
}

const fn noted(figure: Figure, name: &'static str) -> Row {
    row(Value::Number(figure), Other::Noted(name, 1.0))
}

const fn must(figure: Figure, be: fn(&Truth) -> Option<f64>) -> Row {
    row(Value::Number(figure), Other::Must(be))
}

const fn bounds(figure: Figure, bounds: fn(&RuntimeReading) -> Option<(f64, f64)>) -> Row {
    row(Value::Number(figure), Other::Bounds(bounds))
}

/// Every value; the test `every_value_has_a_row` holds it complete.
pub(in super::super) static ROWS: &[Row] = &[
    Row {
        // Since Go 1.26 /sched/goroutines counts those of the runtime, too.
        ignores_metric: true,
        ..noted(Figure::Goroutines, "runtime.goroutines")
    },
    must(Figure::SystemGoroutines, |truth| {
        // Only since those that were created are counted does the release count these among all.
        truth.number("/sched/goroutines-created:goroutines")?;
        let all = truth.number("/sched/goroutines:goroutines")?;
        Some(all - truth.number("runtime.goroutines")?)
    }),
    must(Figure::RunnableGoroutines, |_| Some(0.0)),
    number(Figure::CreatedGoroutines),
    noted(Figure::MaxProcs, "runtime.procs"),
    must(Figure::Threads, |truth| Some(truth.kernel_threads as f64)),
    noted(Figure::ThreadsCreated, "runtime.threads"),
    must(Figure::SpinningThreads, |_| Some(0.0)),
    must(Figure::ProcessorsIdle, |truth| {
        truth.number("runtime.procs")
    }),
    must(Figure::ProcessorsRunning, |_| Some(0.0)),
    must(Figure::ProcessorsSyscall, |_| Some(0.0)),
    must(Figure::ProcessorsStopped, |_| Some(0.0)),
    number(Figure::MutexWait),
    noted(Figure::CgoCalls, "runtime.cgo"),
    number(Figure::StartingStack),
    noted(Figure::HeapAllocatedBytes, "MemStats.TotalAlloc"),
    number(Figure::HeapAllocations),
    number(Figure::HeapFreedBytes),
    number(Figure::HeapFrees),
    number(Figure::TinyAllocations),
    number(Figure::HeapObjects),
    noted(Figure::ClassHeapObjects, "MemStats.HeapAlloc"),
    number(Figure::ClassHeapUnused),
    number(Figure::ClassHeapFree),
    noted(Figure::ClassHeapReleased, "MemStats.HeapReleased"),
    noted(Figure::ClassHeapStacks, "MemStats.StackInuse"),
    number(Figure::ClassOsStacks),
    noted(Figure::ClassMspanInUse, "MemStats.MSpanInuse"),
    number(Figure::ClassMspanFree),
    noted(Figure::ClassMcacheInUse, "MemStats.MCacheInuse"),
    number(Figure::ClassMcacheFree),
    noted(Figure::ClassMetadataOther, "MemStats.GCSys"),
    noted(Figure::ClassProfiling, "MemStats.BuckHashSys"),
    noted(Figure::ClassOther, "MemStats.OtherSys"),
    noted(Figure::ClassTotal, "MemStats.Sys"),
    noted(Figure::GcCycles, "MemStats.NumGC"),
    noted(Figure::GcCyclesForced, "MemStats.NumForcedGC"),
    must(Figure::GcPhase, |_| Some(0.0)),
    row(
        Value::Number(Figure::GcPauseTotal),
        Other::Noted("MemStats.PauseTotalNs", 1e9),
    ),
    row(
        Value::Number(Figure::GcLastEnd),
        Other::Noted("MemStats.LastGC", 1e9),
    ),
    noted(Figure::GcCpuShare, "MemStats.GCCPUFraction"),
    must(Figure::GcPercent, |_| Some(150.0)),
    must(Figure::MemoryLimit, |_| Some((900_u64 << 20) as f64)),
    noted(Figure::HeapGoal, "MemStats.NextGC"),
    noted(Figure::HeapTrigger, "runtime.trigger"),
    number(Figure::HeapLive),
    bounds(Figure::HeapNow, |reading| {
        Some((
            reading.number(Figure::HeapLive)?,
            reading.number(Figure::HeapGoal)?,
        ))
    }),
    number(Figure::ScanHeap),
    number(Figure::ScanStack),
    number(Figure::ScanGlobals),
    number(Figure::LimiterLast),
    bounds(Figure::AssistNow, |reading| {
        // Goroutines helped in earlier cycles, too.
        let all = reading.number(Figure::CpuGcAssist).unwrap_or(f64::MAX);
        Some((0.0, all))
    }),
    number(Figure::CpuGcAssist),
    number(Figure::CpuGcDedicated),
    number(Figure::CpuGcIdle),
    number(Figure::CpuGcPause),
    number(Figure::CpuScavengeAssist),
    number(Figure::CpuScavengeBackground),
    number(Figure::CpuIdle),
    number(Figure::CpuUser),
    row(Value::Times(Distribution::SchedulingLatency), Other::None),
    row(Value::Times(Distribution::StoppingGc), Other::None),
    row(Value::Times(Distribution::StoppingOther), Other::None),
    row(
        Value::Times(Distribution::StoppedGc),
        Other::Noted("/gc/pauses:seconds", 1.0),
    ),
    row(Value::Times(Distribution::StoppedOther), Other::None),
    row(Value::Allocated, Other::None),
    row(Value::Freed, Other::None),
];

impl Row {
    /// The value's name.
    pub(in super::super) fn name(&self) -> &'static str {
        match self.value {
            Value::Number(figure) => figure.name(),
            Value::Times(distribution) => distribution.name(),
            Value::Allocated => "/gc/heap/allocs-by-size:bytes",
            Value::Freed => "/gc/heap/frees-by-size:bytes",
        }
    }

    /// Compares the value of a reading.
    pub(super) fn check(&self, reading: &RuntimeReading, truth: &Truth) -> Result<Cell, String> {
        match self.value {
            Value::Number(figure) => self.number(figure, reading, truth),
            Value::Times(distribution) => match reading.times.get(&distribution) {
                None => self.absent(Absence::Release, truth),
                Some(counts) => self.counts(&time_counts(counts), truth),
            },
            Value::Allocated => self.sizes(reading.allocated.as_deref(), truth),
            Value::Freed => self.sizes(reading.freed.as_deref(), truth),
        }
    }

    fn number(
        &self,
        figure: Figure,
        reading: &RuntimeReading,
        truth: &Truth,
    ) -> Result<Cell, String> {
        let value = match reading.numbers.get(figure) {
            Ok(_) => reading.number(figure).expect("there is one"),
            Err(absence) => return self.absent(absence, truth),
        };
        if !self.ignores_metric && truth.offers(figure.name()) {
            return self.judge(
                truth.compare(figure.name(), value),
                figure.name(),
                value,
                truth,
            );
        }
        match self.other {
            Other::None => Ok(Cell::Read),
            Other::Noted(name, parts) => {
                let scaled = (value * parts).round();
                let exact = if parts == 1.0 { value } else { scaled };
                self.judge(truth.compare(name, exact), name, exact, truth)
            }
            Other::Must(be) => match be(truth) {
                None => Ok(Cell::Read),
                Some(known) if known.total_cmp(&value).is_eq() => Ok(Cell::Equal),
                Some(known) => Err(format!("{} is {value}, not {known}", self.name())),
            },
            Other::Bounds(bounds) => match bounds(reading) {
                Some((least, most)) if least <= value && value <= most => Ok(Cell::Bounds),
                outside => Err(format!(
                    "{} is {value}, not within {outside:?}",
                    self.name()
                )),
            },
        }
    }

    fn counts(&self, counts: &[u64], truth: &Truth) -> Result<Cell, String> {
        let name = match self.other {
            Other::Noted(name, _) if !truth.offers(self.name()) => name,
            _ => self.name(),
        };
        let total: u64 = counts.iter().sum();
        self.judge(
            truth.compare_counts(name, counts),
            name,
            total as f64,
            truth,
        )
    }

    fn sizes(&self, counts: Option<&SizeCounts>, truth: &Truth) -> Result<Cell, String> {
        let Some(counts) = counts else {
            return self.absent(Absence::Unknown, truth);
        };
        // The class of size 0 stands for large objects, which the program shows last.
        let small = counts.small.iter().skip(1).map(|(_, count)| *count);
        let all: Vec<u64> = small.chain([counts.large]).collect();
        self.counts(&all, truth)
    }

    fn judge(
        &self,
        agreement: Agreement,
        name: &str,
        value: f64,
        truth: &Truth,
    ) -> Result<Cell, String> {
        match agreement {
            Agreement::Equal => Ok(Cell::Equal),
            Agreement::Between => Ok(Cell::Between),
            Agreement::NotOffered => Ok(Cell::Read),
            Agreement::Wrong => Err(format!(
                "{} is {value}; {name} is {}",
                self.name(),
                truth.shown(name)
            )),
        }
    }

    fn absent(&self, absence: Absence, truth: &Truth) -> Result<Cell, String> {
        match absence {
            Absence::Release if !truth.offers(self.name()) => Ok(Cell::NotInRelease),
            Absence::Unknown => Ok(Cell::Unknown),
            _ => Err(format!("{} is absent: {absence:?}", self.name())),
        }
    }
}

/// Counts as runtime/metrics shows them: what is below and above all buckets first and last.
pub(super) fn time_counts(counts: &TimeCounts) -> Vec<u64> {
    let mut all = vec![counts.underflow];
    all.extend(counts.counts());
    // Up to Go 1.19 the last bucket holds what is above.
    if counts.counts().len() == 160 {
        all.push(counts.overflow);
    }
    all
}
