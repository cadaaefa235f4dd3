//! Which figure is published under which metric, with which attributes.

use super::catalog as go;
use crate::{
    runtime::{Distribution, Figure, RuntimeReading},
    telemetry::catalog::{self, Metric},
};

/// Figure, metric and attribute values in the metric's order.
pub(in crate::telemetry) type Row<T> = (T, &'static Metric, &'static [&'static str]);

/// Every published number.
///
/// Totals that are sums of other rows are left out: a sum over a metric's attributes must mean something.
pub(in crate::telemetry) static NUMBERS: &[Row<Figure>] = &[
    (Figure::Goroutines, &catalog::GOROUTINE_COUNT, &[]),
    (Figure::GcCycles, &catalog::GC_CYCLES, &[]),
    (Figure::HeapGoal, &catalog::GC_GOAL, &[]),
    (Figure::MaxProcs, &catalog::PROCESSOR_LIMIT, &[]),
    (Figure::GcPauseTotal, &catalog::GC_PAUSE_TIME, &[]),
    (Figure::HeapLive, &catalog::HEAP_LIVE, &[]),
    (
        Figure::ClassHeapObjects,
        &go::MEMORY_USED,
        &["other", "heap/objects"],
    ),
    (
        Figure::ClassHeapUnused,
        &go::MEMORY_USED,
        &["other", "heap/unused"],
    ),
    (
        Figure::ClassHeapFree,
        &go::MEMORY_USED,
        &["other", "heap/free"],
    ),
    (
        Figure::ClassHeapStacks,
        &go::MEMORY_USED,
        &["stack", "heap/stacks"],
    ),
    (
        Figure::ClassOsStacks,
        &go::MEMORY_USED,
        &["other", "os-stacks"],
    ),
    (
        Figure::ClassMspanInUse,
        &go::MEMORY_USED,
        &["other", "metadata/mspan/inuse"],
    ),
    (
        Figure::ClassMspanFree,
        &go::MEMORY_USED,
        &["other", "metadata/mspan/free"],
    ),
    (
        Figure::ClassMcacheInUse,
        &go::MEMORY_USED,
        &["other", "metadata/mcache/inuse"],
    ),
    (
        Figure::ClassMcacheFree,
        &go::MEMORY_USED,
        &["other", "metadata/mcache/free"],
    ),
    (
        Figure::ClassMetadataOther,
        &go::MEMORY_USED,
        &["other", "metadata/other"],
    ),
    (
        Figure::ClassProfiling,
        &go::MEMORY_USED,
        &["other", "profiling/buckets"],
    ),
    (Figure::ClassOther, &go::MEMORY_USED, &["other", "other"]),
    (Figure::ClassHeapReleased, &go::MEMORY_RELEASED, &[]),
    (Figure::MemoryLimit, &go::MEMORY_LIMIT, &[]),
    (Figure::HeapAllocatedBytes, &go::MEMORY_ALLOCATED, &[]),
    (Figure::HeapAllocations, &go::MEMORY_ALLOCATIONS, &[]),
    (Figure::GcPercent, &go::CONFIG_GOGC, &[]),
    (Figure::CpuUser, &go::CPU_TIME, &["user", "user"]),
    (Figure::CpuIdle, &go::CPU_TIME, &["idle", "idle"]),
    (
        Figure::CpuGcAssist,
        &go::CPU_TIME,
        &["gc", "gc/mark/assist"],
    ),
    (
        Figure::CpuGcDedicated,
        &go::CPU_TIME,
        &["gc", "gc/mark/dedicated"],
    ),
    (Figure::CpuGcIdle, &go::CPU_TIME, &["gc", "gc/mark/idle"]),
    (Figure::CpuGcPause, &go::CPU_TIME, &["gc", "gc/pause"]),
    (
        Figure::CpuScavengeAssist,
        &go::CPU_TIME,
        &["scavenge", "scavenge/assist"],
    ),
    (
        Figure::CpuScavengeBackground,
        &go::CPU_TIME,
        &["scavenge", "scavenge/background"],
    ),
    (Figure::SystemGoroutines, &go::SYSTEM_GOROUTINES, &[]),
    (Figure::RunnableGoroutines, &go::RUNNABLE_GOROUTINES, &[]),
    (Figure::CreatedGoroutines, &go::CREATED_GOROUTINES, &[]),
    (Figure::Threads, &go::THREADS, &[]),
    (Figure::SpinningThreads, &go::SPINNING_THREADS, &[]),
    (Figure::ProcessorsIdle, &go::PROCESSORS, &["idle"]),
    (Figure::ProcessorsRunning, &go::PROCESSORS, &["running"]),
    (Figure::ProcessorsSyscall, &go::PROCESSORS, &["syscall"]),
    (Figure::ProcessorsStopped, &go::PROCESSORS, &["stopped"]),
    (Figure::HeapFreedBytes, &go::MEMORY_FREED, &[]),
    (Figure::HeapFrees, &go::MEMORY_FREES, &[]),
    (Figure::HeapObjects, &go::MEMORY_OBJECTS, &[]),
    (Figure::TinyAllocations, &go::TINY_ALLOCATIONS, &[]),
    (Figure::HeapNow, &go::HEAP_NOW, &[]),
    (Figure::HeapTrigger, &go::GC_TRIGGER, &[]),
    (Figure::ScanHeap, &go::GC_SCAN, &["heap"]),
    (Figure::ScanStack, &go::GC_SCAN, &["stack"]),
    (Figure::ScanGlobals, &go::GC_SCAN, &["globals"]),
    (Figure::GcPhase, &go::GC_PHASE, &[]),
    (Figure::GcCyclesForced, &go::GC_FORCED, &[]),
    (Figure::GcLastEnd, &go::GC_LAST_END, &[]),
    (Figure::GcCpuShare, &go::GC_CPU_SHARE, &[]),
    (Figure::AssistNow, &go::GC_ASSIST_NOW, &[]),
    (Figure::LimiterLast, &go::GC_LIMITER, &[]),
    (Figure::MutexWait, &go::MUTEX_WAIT, &[]),
    (Figure::CgoCalls, &go::CGO_CALLS, &[]),
    (Figure::StartingStack, &go::STARTING_STACK, &[]),
];

/// Every published histogram of times.
pub(in crate::telemetry) static TIMES: &[Row<Distribution>] = &[
    (Distribution::SchedulingLatency, &go::SCHEDULE_DURATION, &[]),
    (Distribution::StoppedGc, &catalog::GC_PAUSE_DURATION, &[]),
    (Distribution::StoppedOther, &go::STOPPED_OTHER, &[]),
    (Distribution::StoppingGc, &go::STOPPING, &["gc"]),
    (Distribution::StoppingOther, &go::STOPPING, &["other"]),
];

/// A limit that nobody set is the largest number there is, and no limit.
pub(super) fn means_nothing(figure: Figure, reading: &RuntimeReading) -> bool {
    figure == Figure::MemoryLimit && reading.get(figure) == Some(i64::MAX.cast_unsigned())
}
