//! A busy program: what it counts only rises, and lies between what the program says before and after.

use golens::runtime::{Figure, Reader, RuntimeReading, SizeCounts};

use super::{
    Build,
    notes::Truth,
    reader,
    rows::{Cell, ROWS, Row, Value},
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

/// Up to Go 1.18 the runtime counts the free places of a span as allocated when it takes it, and takes back what
/// was not used: what it says of allocations falls again.
const COUNTED_AHEAD: [Value; 3] = [
    Value::Number(Figure::HeapAllocatedBytes),
    Value::Number(Figure::HeapAllocations),
    Value::Allocated,
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
    let counts_ahead = ["go1.17", "go1.18"]
        .iter()
        .any(|old| build.toolchain.to_string().starts_with(old));
    let counted: Vec<&Row> = ROWS
        .iter()
        .filter(|row| !counts_ahead || !COUNTED_AHEAD.contains(&row.value))
        .filter(|row| match row.value {
            Value::Number(figure) => COUNTERS.contains(&figure),
            Value::Times(_) | Value::Allocated | Value::Freed => true,
        })
        .collect();
    let mut result = UnderLoad::default();
    let mut processors = Vec::new();
    let mut last: Option<RuntimeReading> = None;
    let mut before = program.ask("note");
    for _ in 0..rounds {
        let readings = complete(&mut reader);
        let after = program.ask("note");
        let truth = Truth::parse(&format!("[{before},{after}]"), 0);
        for reading in readings {
            result.between += lies_between(&counted, &reading, &truth);
            fits_together(&reading);
            if let Some(last) = &last {
                only_rises(&counted, last, &reading);
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
fn lies_between(counted: &[&Row], reading: &RuntimeReading, truth: &Truth) -> usize {
    let cells = counted.iter();
    let cells = cells.map(|row| row.check(reading, truth).unwrap_or_else(|e| panic!("{e}")));
    cells
        .filter(|cell| [Cell::Equal, Cell::Between].contains(cell))
        .count()
}

fn only_rises(counted: &[&Row], before: &RuntimeReading, after: &RuntimeReading) {
    for row in counted {
        let (old, new) = (counts(row.value, before), counts(row.value, after));
        assert_eq!(old.len(), new.len(), "{}", row.name());
        let fell = old.iter().zip(&new).find(|(old, new)| new < old);
        assert_eq!(fell, None, "{}", row.name());
    }
}

/// A counter, or all counts of a histogram; nothing where the release or the build has none.
fn counts(value: Value, reading: &RuntimeReading) -> Vec<f64> {
    let sizes = |sizes: Option<&SizeCounts>| {
        let small = sizes.iter().flat_map(|sizes| &sizes.small);
        let small = small.map(|(_, count)| *count as f64);
        small.chain(sizes.map(|sizes| sizes.large as f64)).collect()
    };
    match value {
        Value::Number(figure) => reading.number(figure).into_iter().collect(),
        Value::Times(times) => {
            let counts = reading.times.get(&times);
            let counts = counts.into_iter().flat_map(|times| times.counts());
            counts.map(|count| *count as f64).collect()
        }
        Value::Allocated => sizes(reading.allocated.as_deref()),
        Value::Freed => sizes(reading.freed.as_deref()),
    }
}

/// What holds among the values of one reading, whatever the program does.
fn fits_together(reading: &RuntimeReading) {
    for (less, more) in [
        (Figure::HeapFreedBytes, Figure::HeapAllocatedBytes),
        (Figure::HeapFrees, Figure::HeapAllocations),
        (Figure::GcCyclesForced, Figure::GcCycles),
    ] {
        let (small, large) = (reading.number(less), reading.number(more));
        assert!(small <= large, "{} {small:?}, {large:?}", less.name());
    }
}
