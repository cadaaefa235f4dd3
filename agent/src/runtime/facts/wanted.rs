//! What must be asked of a binary for [`RuntimeFacts`](super::RuntimeFacts), by release.

use crate::runtime::{cells::Cell, histogram::Distribution};

/// Structs whose layout is needed; ask for them in the one pass over layouts.
pub const RUNTIME_STRUCTS: [&str; 10] = [
    "runtime.mstats",
    "runtime.gcControllerState",
    "runtime.gcCPULimiterState",
    "runtime.workType",
    "runtime.mheap",
    "runtime.schedt",
    "runtime.p",
    "runtime.m",
    "runtime.heapStatsDelta",
    "runtime.timeHistogram",
];

/// Fields beside the single numbers: structure, path, first and last release.
const FURTHER_FIELDS: [(&str, &str, u32, u32); 26] = [
    ("runtime.mstats", "numgc", 17, NOW),
    ("runtime.mstats", "pause_total_ns", 17, NOW),
    ("runtime.mstats", "pause_ns", 17, NOW),
    ("runtime.mstats", "pause_end", 17, NOW),
    ("runtime.mstats", "heapStats.stats", 17, NOW),
    ("runtime.p", "status", 17, NOW),
    ("runtime.p", "runqhead", 17, NOW),
    ("runtime.p", "runqtail", 17, NOW),
    ("runtime.p", "runnext", 17, NOW),
    ("runtime.p", "gFree.n", 17, 24),
    ("runtime.p", "gFree.size", 25, NOW),
    ("runtime.p", "goroutinesCreated", 26, NOW),
    ("runtime.m", "alllink", 17, NOW),
    ("runtime.m", "ncgocall", 17, NOW),
    ("runtime.m", "mLockProfile.waitTime", 22, NOW),
    ("runtime.heapStatsDelta", "committed", 17, NOW),
    ("runtime.heapStatsDelta", "released", 17, NOW),
    ("runtime.heapStatsDelta", "inHeap", 17, NOW),
    ("runtime.heapStatsDelta", "inStacks", 17, NOW),
    ("runtime.heapStatsDelta", "inWorkBufs", 17, NOW),
    ("runtime.heapStatsDelta", "inPtrScalarBits", 17, 24),
    ("runtime.heapStatsDelta", "tinyAllocCount", 17, NOW),
    ("runtime.heapStatsDelta", "smallAllocCount", 17, NOW),
    ("runtime.timeHistogram", "counts", 17, NOW),
    ("runtime.timeHistogram", "underflow", 17, NOW),
    ("runtime.timeHistogram", "overflow", 20, NOW),
];

/// No release has dropped it.
const NOW: u32 = u32::MAX;

/// The fields that Go 1.`minor` has: structure and path.
pub fn wanted_fields(minor: u32) -> impl Iterator<Item = (&'static str, &'static str)> {
    let numbers = Cell::ALL.iter().map(|cell| cell.place());
    let numbers = numbers
        .filter(move |place| place.is_in(minor))
        .filter_map(|place| place.field);
    let histograms = Distribution::ALL
        .iter()
        .filter_map(move |one| one.field(minor))
        .map(|(_, structure, path)| (structure, path));
    let further = FURTHER_FIELDS
        .iter()
        .filter(move |(_, _, first, last)| (*first..=*last).contains(&minor))
        .map(|(structure, path, ..)| (*structure, *path));
    numbers.chain(histograms).chain(further)
}

/// The variables that Go 1.`minor` has.
pub fn wanted_variables(minor: u32) -> impl Iterator<Item = &'static str> {
    let numbers = Cell::ALL.iter().map(|cell| cell.place());
    numbers
        .filter(move |place| place.is_in(minor))
        .map(|place| place.variable)
        .chain(["runtime.allp", "runtime.allm", size_table(minor)])
}

/// The variable with the sizes of small objects by class.
pub(super) fn size_table(minor: u32) -> &'static str {
    if minor < SIZES_MOVED {
        "runtime.class_to_size"
    } else {
        "internal/runtime/gc.SizeClassToSize"
    }
}

/// The release whose size table has a package of its own.
const SIZES_MOVED: u32 = 25;
