//! Names, types and help texts as client_golang has them, and what each is made of.

use super::Shown;
use crate::runtime::{Distribution, Figure};

/// Type of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::telemetry) enum Kind {
    /// Rises and falls.
    Gauge,
    /// Only rises.
    Counter,
}

/// A family with one number per target.
pub(in crate::telemetry) struct Number {
    pub(in crate::telemetry) name: &'static str,
    pub(in crate::telemetry) kind: Kind,
    pub(in crate::telemetry) help: &'static str,
    pub(in crate::telemetry) value: fn(&Shown) -> Option<f64>,
}

/// A family with one histogram per target.
pub(in crate::telemetry) struct Times {
    pub(in crate::telemetry) name: &'static str,
    pub(in crate::telemetry) help: &'static str,
    pub(in crate::telemetry) of: Distribution,
}

/// The sum of figures; none when one is missing.
fn sum(shown: &Shown, figures: &[Figure]) -> Option<f64> {
    figures.iter().map(|one| shown.reading.number(*one)).sum()
}

fn count(number: Option<u64>) -> Option<f64> {
    Some(number? as f64)
}

/// Histograms that the client library shows when a program asks it to.
pub(in crate::telemetry) static HISTOGRAMS: &[Times] = &[
    Times {
        name: "go_sched_latencies_seconds",
        help: "Distribution of the time goroutines have spent in the scheduler in a runnable state before actually running. Bucket counts increase monotonically. Sourced from /sched/latencies:seconds.",
        of: Distribution::SchedulingLatency,
    },
    Times {
        name: "go_sched_pauses_total_gc_seconds",
        help: "Distribution of individual GC-related stop-the-world pause latencies. This is the time from deciding to stop the world until the world is started again. Bucket counts increase monotonically. Sourced from /sched/pauses/total/gc:seconds.",
        of: Distribution::StoppedGc,
    },
];

macro_rules! numbers {
    ($($name:literal $kind:ident $help:literal $value:expr;)*) => {
        /// Every number.
        pub(in crate::telemetry) static NUMBERS: &[Number] = &[
            $(Number {
                name: $name,
                kind: Kind::$kind,
                help: $help,
                value: $value,
            },)*
        ];
    };
}

numbers! {
    "go_goroutines" Gauge
        "Number of goroutines that currently exist."
        |shown| sum(shown, &[Figure::Goroutines]);
    "go_threads" Gauge
        "Number of OS threads created."
        |shown| sum(shown, &[Figure::ThreadsCreated]);
    "go_memstats_last_gc_time_seconds" Gauge
        "Number of seconds since 1970 of last garbage collection."
        |shown| sum(shown, &[Figure::GcLastEnd]);
    "go_memstats_alloc_bytes" Gauge
        "Number of bytes allocated in heap and currently in use. Equals to /memory/classes/heap/objects:bytes."
        |shown| sum(shown, &[Figure::ClassHeapObjects]);
    "go_memstats_alloc_bytes_total" Counter
        "Total number of bytes allocated in heap until now, even if released already. Equals to /gc/heap/allocs:bytes."
        |shown| sum(shown, &[Figure::HeapAllocatedBytes]);
    "go_memstats_sys_bytes" Gauge
        "Number of bytes obtained from system. Equals to /memory/classes/total:byte."
        |shown| sum(shown, &[Figure::ClassTotal]);
    "go_memstats_mallocs_total" Counter
        "Total number of heap objects allocated, both live and gc-ed. Semantically a counter version for go_memstats_heap_objects gauge. Equals to /gc/heap/allocs:objects + /gc/heap/tiny/allocs:objects."
        |shown| sum(shown, &[Figure::HeapAllocations, Figure::TinyAllocations]);
    "go_memstats_frees_total" Counter
        "Total number of heap objects frees. Equals to /gc/heap/frees:objects + /gc/heap/tiny/allocs:objects."
        |shown| sum(shown, &[Figure::HeapFrees, Figure::TinyAllocations]);
    "go_memstats_heap_alloc_bytes" Gauge
        "Number of heap bytes allocated and currently in use, same as go_memstats_alloc_bytes. Equals to /memory/classes/heap/objects:bytes."
        |shown| sum(shown, &[Figure::ClassHeapObjects]);
    "go_memstats_heap_sys_bytes" Gauge
        "Number of heap bytes obtained from system. Equals to /memory/classes/heap/objects:bytes + /memory/classes/heap/unused:bytes + /memory/classes/heap/released:bytes + /memory/classes/heap/free:bytes."
        |shown| sum(shown, &[Figure::ClassHeapObjects, Figure::ClassHeapUnused, Figure::ClassHeapReleased, Figure::ClassHeapFree]);
    "go_memstats_heap_idle_bytes" Gauge
        "Number of heap bytes waiting to be used. Equals to /memory/classes/heap/released:bytes + /memory/classes/heap/free:bytes."
        |shown| sum(shown, &[Figure::ClassHeapReleased, Figure::ClassHeapFree]);
    "go_memstats_heap_inuse_bytes" Gauge
        "Number of heap bytes that are in use. Equals to /memory/classes/heap/objects:bytes + /memory/classes/heap/unused:bytes"
        |shown| sum(shown, &[Figure::ClassHeapObjects, Figure::ClassHeapUnused]);
    "go_memstats_heap_released_bytes" Gauge
        "Number of heap bytes released to OS. Equals to /memory/classes/heap/released:bytes."
        |shown| sum(shown, &[Figure::ClassHeapReleased]);
    "go_memstats_heap_objects" Gauge
        "Number of currently allocated objects. Equals to /gc/heap/objects:objects."
        |shown| sum(shown, &[Figure::HeapObjects]);
    "go_memstats_stack_inuse_bytes" Gauge
        "Number of bytes obtained from system for stack allocator in non-CGO environments. Equals to /memory/classes/heap/stacks:bytes."
        |shown| sum(shown, &[Figure::ClassHeapStacks]);
    "go_memstats_stack_sys_bytes" Gauge
        "Number of bytes obtained from system for stack allocator. Equals to /memory/classes/heap/stacks:bytes + /memory/classes/os-stacks:bytes."
        |shown| sum(shown, &[Figure::ClassHeapStacks, Figure::ClassOsStacks]);
    "go_memstats_mspan_inuse_bytes" Gauge
        "Number of bytes in use by mspan structures. Equals to /memory/classes/metadata/mspan/inuse:bytes."
        |shown| sum(shown, &[Figure::ClassMspanInUse]);
    "go_memstats_mspan_sys_bytes" Gauge
        "Number of bytes used for mspan structures obtained from system. Equals to /memory/classes/metadata/mspan/inuse:bytes + /memory/classes/metadata/mspan/free:bytes."
        |shown| sum(shown, &[Figure::ClassMspanInUse, Figure::ClassMspanFree]);
    "go_memstats_mcache_inuse_bytes" Gauge
        "Number of bytes in use by mcache structures. Equals to /memory/classes/metadata/mcache/inuse:bytes."
        |shown| sum(shown, &[Figure::ClassMcacheInUse]);
    "go_memstats_mcache_sys_bytes" Gauge
        "Number of bytes used for mcache structures obtained from system. Equals to /memory/classes/metadata/mcache/inuse:bytes + /memory/classes/metadata/mcache/free:bytes."
        |shown| sum(shown, &[Figure::ClassMcacheInUse, Figure::ClassMcacheFree]);
    "go_memstats_buck_hash_sys_bytes" Gauge
        "Number of bytes used by the profiling bucket hash table. Equals to /memory/classes/profiling/buckets:bytes."
        |shown| sum(shown, &[Figure::ClassProfiling]);
    "go_memstats_gc_sys_bytes" Gauge
        "Number of bytes used for garbage collection system metadata. Equals to /memory/classes/metadata/other:bytes."
        |shown| sum(shown, &[Figure::ClassMetadataOther]);
    "go_memstats_other_sys_bytes" Gauge
        "Number of bytes used for other system allocations. Equals to /memory/classes/other:bytes."
        |shown| sum(shown, &[Figure::ClassOther]);
    "go_memstats_next_gc_bytes" Gauge
        "Number of heap bytes when next garbage collection will take place. Equals to /gc/heap/goal:bytes."
        |shown| sum(shown, &[Figure::HeapGoal]);
    "go_gc_gogc_percent" Gauge
        "Heap size target percentage configured by the user, otherwise 100. This value is set by the GOGC environment variable, and the runtime/debug.SetGCPercent function. Sourced from /gc/gogc:percent."
        |shown| sum(shown, &[Figure::GcPercent]);
    "go_gc_gomemlimit_bytes" Gauge
        "Go runtime memory limit configured by the user, otherwise math.MaxInt64. This value is set by the GOMEMLIMIT environment variable, and the runtime/debug.SetMemoryLimit function. Sourced from /gc/gomemlimit:bytes."
        |shown| sum(shown, &[Figure::MemoryLimit]);
    "go_sched_gomaxprocs_threads" Gauge
        "The current runtime.GOMAXPROCS setting, or the number of operating system threads that can execute user-level Go code simultaneously. Sourced from /sched/gomaxprocs:threads."
        |shown| sum(shown, &[Figure::MaxProcs]);
    "process_cpu_seconds_total" Counter
        "Total user and system CPU time spent in seconds."
        |shown| Some(shown.usage?.cpu_seconds);
    "process_open_fds" Gauge
        "Number of open file descriptors."
        |shown| count(shown.usage?.open_descriptors);
    "process_max_fds" Gauge
        "Maximum number of open file descriptors."
        |shown| count(shown.usage?.most_descriptors);
    "process_virtual_memory_bytes" Gauge
        "Virtual memory size in bytes."
        |shown| count(Some(shown.usage?.virtual_bytes));
    "process_virtual_memory_max_bytes" Gauge
        "Maximum amount of virtual memory available in bytes."
        |shown| count(shown.usage?.most_virtual_bytes);
    "process_resident_memory_bytes" Gauge
        "Resident memory size in bytes."
        |shown| count(Some(shown.usage?.resident_bytes));
    "process_start_time_seconds" Gauge
        "Start time of the process since unix epoch in seconds."
        |shown| Some(shown.usage?.start_seconds);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_only_counters_end_like_one() {
        let mut seen = BTreeSet::new();
        for number in NUMBERS {
            assert!(seen.insert(number.name), "{}", number.name);
            let is_counter = number.kind == Kind::Counter;
            assert_eq!(
                is_counter,
                number.name.ends_with("_total"),
                "{}",
                number.name
            );
        }
    }
}
