//! Metrics of the Go runtime beside those that the catalogue has already: names, units and attributes.

use crate::telemetry::catalog::{
    Instrument::{Counter, Gauge, Histogram, UpDownCounter},
    Metric, Owner,
    Stability::Development,
    catalogue,
};

/// Powers of two of ns at which times are counted together: fine from 1 us to 134 ms.
const POWERS: [u32; 22] = [
    8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 29, 31, 33,
];

const fn times() -> [f64; POWERS.len()] {
    let mut bounds = [0.0; POWERS.len()];
    let mut at = 0;
    while at < bounds.len() {
        bounds[at] = ((1_u64 << POWERS[at]) - 1) as f64 / 1e9;
        at += 1;
    }
    bounds
}

/// Bounds of the runtime's own histograms of times.
///
/// The runtime's buckets do not hold their upper bound and times are whole ns: with the largest time below
/// each power of two, counts stay exact.
///
/// # Units  seconds
pub static TIME_SECONDS: &[f64] = &times();

/// Bounds of object sizes; each is the size of a class of the runtime, so that counts stay exact.
///
/// # Units  bytes
pub static SIZE_BYTES: &[f64] = &[
    8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16384.0, 32768.0,
];

/// Bounds of pauses by cycle: 10 us to 100 ms.
///
/// # Units  seconds
static CYCLE_SECONDS: &[f64] = crate::telemetry::catalog::PAUSE_SECONDS;

catalogue! {
    METRICS: "Metrics of the Go runtime that its variables tell.";

    MEMORY_USED: Target "go.memory.used",
        UpDownCounter, "By", ["go.memory.type", "go.memory.detailed_type"],
        Development, "Memory that the runtime has and has not returned to the system.";
    MEMORY_LIMIT: Target "go.memory.limit",
        UpDownCounter, "By", [],
        Development, "Memory limit that the user has set.";
    MEMORY_ALLOCATED: Target "go.memory.allocated",
        Counter, "By", [],
        Development, "Memory allocated on the heap, whether freed since or not.";
    MEMORY_ALLOCATIONS: Target "go.memory.allocations",
        Counter, "{allocation}", [],
        Development, "Objects allocated on the heap, whether freed since or not.";
    SCHEDULE_DURATION: Target "go.schedule.duration",
        Histogram(TIME_SECONDS), "s", [],
        Development, "Time goroutines waited to run, of one in eight, as the runtime counts it; the sum is estimated.";
    CONFIG_GOGC: Target "go.config.gogc",
        UpDownCounter, "%", [],
        Development, "Growth of the heap between two garbage collection cycles; -1 when off.";
    CPU_TIME: Target "go.cpu.time",
        Counter, "s", ["go.cpu.state", "go.cpu.detailed_state"],
        Development, "CPU time that the runtime had, as it estimates it at the end of each garbage collection cycle.";

    SYSTEM_GOROUTINES: Target "golens.go.goroutine.system.count",
        UpDownCounter, "{goroutine}", [],
        Development, "Goroutines of the runtime itself.";
    RUNNABLE_GOROUTINES: Target "golens.go.goroutine.runnable.count",
        UpDownCounter, "{goroutine}", [],
        Development, "Goroutines that could run and wait for a processor.";
    CREATED_GOROUTINES: Target "golens.go.goroutine.created",
        Counter, "{goroutine}", [],
        Development, "Goroutines created since the process started.";
    THREADS: Target "golens.go.thread.count",
        UpDownCounter, "{thread}", [],
        Development, "Threads that the runtime has made.";
    SPINNING_THREADS: Target "golens.go.thread.spinning.count",
        UpDownCounter, "{thread}", [],
        Development, "Threads that look for work.";
    PROCESSORS: Target "golens.go.processor.count",
        UpDownCounter, "{processor}", ["golens.go.processor.state"],
        Development, "Processors of the scheduler by their state.";
    MEMORY_RELEASED: Target "golens.go.memory.released",
        UpDownCounter, "By", [],
        Development, "Heap that was returned to the system and stays reserved.";
    MEMORY_FREED: Target "golens.go.memory.freed",
        Counter, "By", [],
        Development, "Heap memory freed.";
    MEMORY_FREES: Target "golens.go.memory.frees",
        Counter, "{object}", [],
        Development, "Heap objects freed.";
    MEMORY_OBJECTS: Target "golens.go.memory.objects",
        UpDownCounter, "{object}", [],
        Development, "Heap objects that are there, those that were not swept yet too.";
    TINY_ALLOCATIONS: Target "golens.go.memory.tiny_allocations",
        Counter, "{allocation}", [],
        Development, "Small objects without pointers that were put together into one allocation.";
    ALLOCATION_SIZE: Target "golens.go.memory.allocation.size",
        Histogram(SIZE_BYTES), "By", [],
        Development, "Sizes of the allocated heap objects.";
    FREE_SIZE: Target "golens.go.memory.free.size",
        Histogram(SIZE_BYTES), "By", [],
        Development, "Sizes of the freed heap objects.";
    HEAP_NOW: Target "golens.go.memory.heap.size",
        UpDownCounter, "By", [],
        Development, "Heap that the collector counts as live now: what it found alive, and what was allocated since.";
    GC_TRIGGER: Target "golens.go.gc.trigger",
        UpDownCounter, "By", [],
        Development, "Heap size at which the next garbage collection cycle begins.";
    GC_SCAN: Target "golens.go.gc.scan",
        UpDownCounter, "By", ["golens.go.gc.scan.part"],
        Development, "Memory that a garbage collection cycle has to scan.";
    GC_PHASE: Target "golens.go.gc.phase.current",
        Gauge, "{phase}", [],
        Development, "Phase of the garbage collector: 0 off, 1 mark, 2 mark termination.";
    GC_FORCED: Target "golens.go.gc.cycles.forced",
        Counter, "{gc_cycle}", [],
        Development, "Garbage collection cycles that the program asked for.";
    GC_LAST_END: Target "golens.go.gc.last.end",
        Gauge, "s", [],
        Development, "End of the last garbage collection cycle, since 1970.";
    GC_CPU_SHARE: Target "golens.go.gc.cpu.share",
        Gauge, "1", [],
        Development, "Share of the available CPU time that the collector had since the process started.";
    GC_ASSIST_NOW: Target "golens.go.gc.assist.time",
        UpDownCounter, "s", [],
        Development, "Time goroutines helped the collector in the current cycle, or in the last one when none runs.";
    GC_LIMITER: Target "golens.go.gc.limiter.last",
        Gauge, "{gc_cycle}", [],
        Development, "Cycle in which the collector's CPU limit was last in force; 0 when never.";
    GC_CYCLE_PAUSE: Target "golens.go.gc.cycle.pause.duration",
        Histogram(CYCLE_SECONDS), "s", [],
        Development, "Time the world was stopped in one garbage collection cycle, all stops of the cycle together.";
    STOPPING: Target "golens.go.stop.stopping.duration",
        Histogram(TIME_SECONDS), "s", ["golens.go.stop.kind"],
        Development, "Time from the request of a stop of the world until all had stopped, as the runtime counts it; the kind is all that it tells of the reason: gc or other; the sum is estimated.";
    STOPPED_OTHER: Target "golens.go.stop.other.duration",
        Histogram(TIME_SECONDS), "s", [],
        Development, "Time the world was stopped for something else than garbage collection, as the runtime counts it; the sum is estimated.";
    MUTEX_WAIT: Target "golens.go.mutex.wait.time",
        Counter, "s", [],
        Development, "Time goroutines waited for mutexes and locks of the runtime, as the runtime estimates it.";
    CGO_CALLS: Target "golens.go.cgo.calls",
        Counter, "{call}", [],
        Development, "Calls from Go to C.";
    STARTING_STACK: Target "golens.go.stack.starting.size",
        Gauge, "By", [],
        Development, "Stack of a new goroutine.";

    READINGS: Agent "golens.runtime.readings",
        Counter, "{reading}", ["outcome"],
        Development, "Readings of targets' Go runtimes, by how they ended; skipped ones, too.";
    PROFILES: Agent "golens.runtime.profiles",
        Counter, "{profile}", ["outcome"],
        Development, "Goroutine profiles of targets, by how they ended.";
}
