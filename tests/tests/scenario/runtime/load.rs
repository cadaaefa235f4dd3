//! A busy program: what it counts only rises, and lies between what the program says before and after.

use golens::runtime::{Distribution, Figure, Reader, RuntimeReading};

use super::{
    Build,
    notes::Truth,
    reader,
    rows::{Cell, ROWS, Value},
};

/// Readings between two notes of the program.
const READINGS: usize = 10;

/// What only rises while a program runs.
const COUNTERS: [Figure; 21] = [
    Figure::CreatedGoroutines,
    Figure::ThreadsCreated,
    Figure::MutexWait,
    Figure::CgoCalls,
    Figure::HeapAllocatedBytes,
    Figure::HeapAllocations,
    Figure::HeapFreedBytes,
    Figure::HeapFrees,
    Figure::TinyAllocations,
    Figure::GcCycles,
    Figure::GcCyclesForced,
    Figure::GcPauseTotal,
    Figure::GcLastEnd,
    Figure::CpuGcAssist,
    Figure::CpuGcDedicated,
    Figure::CpuGcIdle,
    Figure::CpuGcPause,
    Figure::CpuScavengeAssist,
    Figure::CpuScavengeBackground,
    Figure::CpuIdle,
    Figure::CpuUser,
];

/// How much was compared; what is wrong panics.
#[derive(Debug, Default)]
pub(in super::super) struct UnderLoad {
    /// Readings whose parts are of one moment.
    pub(in super::super) readings: usize,
    /// Values that lay between two notes.
    pub(in super::super) between: usize,
    /// Numbers of processors that were seen.
    pub(in super::super) processors: usize,
}

/// Reads a program that allocates, starts goroutines, collects and changes GOMAXPROCS, in rounds of ten readings
/// between two notes.
pub(in super::super) fn under_load(build: Build, rounds: usize) -> UnderLoad {
    let mut program = build.start();
    assert_eq!(program.ask("work 4"), "done");
    let mut reader = reader(program.pid());
    assert_eq!(program.ask("load"), "loaded");
    let mut result = UnderLoad::default();
    let mut processors = Vec::new();
    let mut last: Option<RuntimeReading> = None;
    let mut before = program.ask("note");
    for _ in 0..rounds {
        let readings = complete(&mut reader);
        let after = program.ask("note");
        let truth = Truth::parse(&format!("[{before},{after}]"), 0);
        for reading in readings {
            result.between += lies_between(&reading, &truth);
            fits_together(&reading);
            if let Some(last) = &last {
                only_rises(last, &reading);
            }
            processors.extend(reading.get(Figure::MaxProcs));
            result.readings += 1;
            last = Some(reading);
        }
        before = after;
    }
    processors.sort_unstable();
    processors.dedup();
    assert!(processors.iter().all(|count| (1..=4).contains(count)));
    result.processors = processors.len();
    result
}

/// Readings whose parts are of one moment; the others say that they are not.
fn complete(reader: &mut Reader) -> Vec<RuntimeReading> {
    let readings = (0..READINGS).map(|_| reader.read().expect("readable"));
    readings.filter(|reading| reading.complete).collect()
}

/// Answers how many values were compared.
fn lies_between(reading: &RuntimeReading, truth: &Truth) -> usize {
    let counted = ROWS.iter().filter(|row| match row.value {
        Value::Number(figure) => COUNTERS.contains(&figure),
        Value::Times(_) | Value::Allocated | Value::Freed => true,
    });
    let cells = counted.map(|row| row.check(reading, truth).unwrap_or_else(|e| panic!("{e}")));
    cells
        .filter(|cell| [Cell::Equal, Cell::Between].contains(cell))
        .count()
}

fn only_rises(before: &RuntimeReading, after: &RuntimeReading) {
    for figure in COUNTERS {
        let (old, new) = (before.number(figure), after.number(figure));
        assert!(new >= old, "{}: {old:?} and then {new:?}", figure.name());
    }
    for distribution in Distribution::ALL {
        let counts = |reading: &RuntimeReading| {
            let times = reading.times.get(distribution);
            times.map_or(Vec::new(), |times| times.counts().to_vec())
        };
        let (old, new) = (counts(before), counts(after));
        assert_eq!(old.len(), new.len());
        let fell = old.iter().zip(&new).position(|(old, new)| new < old);
        assert_eq!(fell, None, "a bucket of {}", distribution.name());
    }
}

/// What holds among the values of one reading, whatever the program does.
fn fits_together(reading: &RuntimeReading) {
    for (less, more) in [
        (Figure::HeapFreedBytes, Figure::HeapAllocatedBytes),
        (Figure::HeapFrees, Figure::HeapAllocations),
        (Figure::GcCyclesForced, Figure::GcCycles),
        (Figure::Threads, Figure::ThreadsCreated),
    ] {
        let (small, large) = (reading.number(less), reading.number(more));
        assert!(small <= large, "{} {small:?}, {large:?}", less.name());
    }
}
