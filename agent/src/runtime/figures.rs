//! Every number that a reading has: its name, its unit, and how it follows from the copied variables.

use super::{
    cells::Cell,
    pacer,
    view::{Absence, View, not_negative},
};

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Bytes.
    Bytes,
    /// Nanoseconds.
    Nanoseconds,
    /// Hundredths; negative when switched off.
    Percent,
    /// A share of 1, as the bits of a 64-bit float.
    Share,
}

type Formula = fn(&View<'_>) -> Result<u64, Absence>;

macro_rules! figures {
    ($($id:ident $name:literal $unit:ident = $formula:expr;)*) => {
        /// A number that a reading has.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Figure {
            $(
                #[doc = concat!("`", $name, "`.")]
                $id,
            )*
        }

        impl Figure {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$id),*];

            /// As runtime/metrics of the newest release calls it, else a name in the same style.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$id => $name,)* }
            }

            /// What it counts.
            #[must_use]
            pub fn unit(self) -> Unit {
                match self { $(Self::$id => Unit::$unit,)* }
            }

            pub(super) fn of(self, view: &View<'_>) -> Result<u64, Absence> {
                let formula: Formula = match self { $(Self::$id => $formula,)* };
                formula(view)
            }
        }
    };
}

figures! {
    Goroutines "/sched/goroutines:goroutines" Count = |v| v.goroutines;
    SystemGoroutines "/sched/goroutines/system:goroutines" Count = |v| v.count(Cell::SystemGoroutines);
    RunnableGoroutines "/sched/goroutines/runnable:goroutines" Count = |v| {
        let queued = not_negative(v.either(Cell::RunQueue, Cell::RunQueueOld)?)?;
        v.processors()?.runnable.checked_add(queued).ok_or(Absence::Moving)
    };
    CreatedGoroutines "/sched/goroutines-created:goroutines" Count = |v| {
        let ended = v.cell(Cell::Created)?;
        Ok(ended.wrapping_add(v.processors()?.created.ok_or(Absence::Release)?))
    };
    MaxProcs "/sched/gomaxprocs:threads" Count = |v| v.cell(Cell::MaxProcs);
    Threads "/sched/threads/total:threads" Count = |v| {
        // Threads that C made and that are lent to Go are not Go's own.
        let foreign = match v.cell(Cell::ExtraOld) {
            Ok(count) => count,
            Err(_) => v.cell(Cell::ExtraLength)? + v.cell(Cell::ExtraInUse)?,
        };
        let made = v.cell(Cell::MNext)?.wrapping_sub(v.cell(Cell::MFreed)?);
        made.checked_sub(foreign).ok_or(Absence::Moving)
    };
    ThreadsCreated "/sched/threads/created:threads" Count = |v| Ok(v.threads()?.count);
    SpinningThreads "/sched/threads/spinning:threads" Count = |v| v.count(Cell::Spinning);
    ProcessorsIdle "/sched/processors/idle:processors" Count = |v| v.processors_in(0);
    ProcessorsRunning "/sched/processors/running:processors" Count = |v| v.processors_in(1);
    ProcessorsSyscall "/sched/processors/syscall:processors" Count = |v| {
        // Since then a processor in a system call counts as running.
        if v.minor < 26 { v.processors_in(2) } else { Err(Absence::Release) }
    };
    ProcessorsStopped "/sched/processors/stopped:processors" Count = |v| v.processors_in(3);
    MutexWait "/sync/mutex/wait/total:seconds" Nanoseconds = |v| {
        let wait = v.cell(Cell::MutexWait)?;
        if v.minor < 22 {
            return Ok(wait);
        }
        let ended = v.cell(Cell::RuntimeLockWait)?;
        Ok(wait.wrapping_add(ended).wrapping_add(v.threads()?.lock_wait_ns))
    };
    CgoCalls "/cgo/go-to-c-calls:calls" Count = |v| {
        Ok(v.cell(Cell::CgoCalls)?.wrapping_add(v.threads()?.cgo_calls))
    };
    StartingStack "/gc/stack/starting-size:bytes" Bytes = |v| v.cell(Cell::StartingStack);

    HeapAllocatedBytes "/gc/heap/allocs:bytes" Bytes = |v| Ok(v.heap()?.allocated.bytes);
    HeapAllocations "/gc/heap/allocs:objects" Count = |v| Ok(v.heap()?.allocated.count);
    HeapFreedBytes "/gc/heap/frees:bytes" Bytes = |v| Ok(v.heap()?.freed.bytes);
    HeapFrees "/gc/heap/frees:objects" Count = |v| Ok(v.heap()?.freed.count);
    TinyAllocations "/gc/heap/tiny/allocs:objects" Count = |v| Ok(v.heap()?.tiny_allocs);
    HeapObjects "/gc/heap/objects:objects" Count = |v| {
        let heap = v.heap()?;
        Ok(heap.allocated.count.wrapping_sub(heap.freed.count))
    };

    ClassHeapObjects "/memory/classes/heap/objects:bytes" Bytes = |v| Ok(v.heap()?.objects_bytes());
    ClassHeapUnused "/memory/classes/heap/unused:bytes" Bytes = |v| {
        let heap = v.heap()?;
        Ok(heap.in_heap.wrapping_sub(heap.objects_bytes()))
    };
    ClassHeapFree "/memory/classes/heap/free:bytes" Bytes = |v| {
        let heap = v.heap()?;
        let used = heap.in_heap.wrapping_add(heap.in_stacks).wrapping_add(heap.in_metadata);
        Ok(heap.committed.wrapping_sub(used))
    };
    ClassHeapReleased "/memory/classes/heap/released:bytes" Bytes = |v| Ok(v.heap()?.released);
    ClassHeapStacks "/memory/classes/heap/stacks:bytes" Bytes = |v| Ok(v.heap()?.in_stacks);
    ClassOsStacks "/memory/classes/os-stacks:bytes" Bytes = |v| v.cell(Cell::StacksSys);
    ClassMspanInUse "/memory/classes/metadata/mspan/inuse:bytes" Bytes = |v| v.cell(Cell::MspanInUse);
    ClassMspanFree "/memory/classes/metadata/mspan/free:bytes" Bytes = |v| {
        v.difference(Cell::MspanSys, Cell::MspanInUse)
    };
    ClassMcacheInUse "/memory/classes/metadata/mcache/inuse:bytes" Bytes = |v| v.cell(Cell::McacheInUse);
    ClassMcacheFree "/memory/classes/metadata/mcache/free:bytes" Bytes = |v| {
        v.difference(Cell::McacheSys, Cell::McacheInUse)
    };
    ClassMetadataOther "/memory/classes/metadata/other:bytes" Bytes = |v| {
        Ok(v.heap()?.in_metadata.wrapping_add(v.cell(Cell::GcMiscSys)?))
    };
    ClassProfiling "/memory/classes/profiling/buckets:bytes" Bytes = |v| v.cell(Cell::BuckhashSys);
    ClassOther "/memory/classes/other:bytes" Bytes = |v| v.cell(Cell::OtherSys);
    ClassTotal "/memory/classes/total:bytes" Bytes = |v| {
        let heap = v.heap()?;
        let mut total = heap.committed.wrapping_add(heap.released);
        for cell in [
            Cell::StacksSys, Cell::MspanSys, Cell::McacheSys,
            Cell::BuckhashSys, Cell::GcMiscSys, Cell::OtherSys,
        ] {
            total = total.wrapping_add(v.cell(cell)?);
        }
        Ok(total)
    };

    GcCycles "/gc/cycles/total:gc-cycles" Count = |v| Ok(u64::from(v.gc.cycles));
    GcCyclesForced "/gc/cycles/forced:gc-cycles" Count = |v| v.cell(Cell::NumForcedGc);
    GcPhase "/gc/phase:phase" Count = |v| v.cell(Cell::GcPhase);
    GcPauseTotal "/gc/pauses/total:seconds" Nanoseconds = |v| Ok(v.gc.total_ns);
    GcLastEnd "/gc/last:unix-seconds" Nanoseconds = |v| match v.cell(Cell::LastGcUnix)? {
        0 => Err(Absence::Off),
        end => Ok(end),
    };
    GcCpuShare "/gc/cpu:share" Share = |v| v.cell(Cell::GcCpuFraction);
    GcPercent "/gc/gogc:percent" Percent = |v| v.cell(Cell::GcPercent);
    MemoryLimit "/gc/gomemlimit:bytes" Bytes = |v| v.cell(Cell::MemoryLimit);
    HeapGoal "/gc/heap/goal:bytes" Bytes = pacer::goal;
    HeapTrigger "/gc/heap/trigger:bytes" Bytes = pacer::trigger;
    HeapLive "/gc/heap/live:bytes" Bytes = |v| v.cell(Cell::HeapMarked);
    HeapNow "/gc/heap/now:bytes" Bytes = |v| v.cell(Cell::HeapLive);
    ScanHeap "/gc/scan/heap:bytes" Bytes = |v| v.cell(Cell::HeapScan);
    ScanStack "/gc/scan/stack:bytes" Bytes = |v| v.cell(Cell::LastStackScan);
    ScanGlobals "/gc/scan/globals:bytes" Bytes = |v| v.cell(Cell::GlobalsScan);
    LimiterLast "/gc/limiter/last-enabled:gc-cycle" Count = |v| v.cell(Cell::LimiterLast);
    AssistNow "/gc/assist/now:seconds" Nanoseconds = |v| v.cell(Cell::AssistTime);

    CpuGcAssist "/cpu/classes/gc/mark/assist:cpu-seconds" Nanoseconds = |v| {
        v.either(Cell::CpuAssist, Cell::CpuAssistOld)
    };
    CpuGcDedicated "/cpu/classes/gc/mark/dedicated:cpu-seconds" Nanoseconds = |v| {
        v.either(Cell::CpuDedicated, Cell::CpuDedicatedOld)
    };
    CpuGcIdle "/cpu/classes/gc/mark/idle:cpu-seconds" Nanoseconds = |v| {
        v.either(Cell::CpuGcIdle, Cell::CpuGcIdleOld)
    };
    CpuGcPause "/cpu/classes/gc/pause:cpu-seconds" Nanoseconds = |v| {
        v.either(Cell::CpuPause, Cell::CpuPauseOld)
    };
    CpuScavengeAssist "/cpu/classes/scavenge/assist:cpu-seconds" Nanoseconds = |v| {
        v.either(Cell::CpuScavAssist, Cell::CpuScavAssistOld)
    };
    CpuScavengeBackground "/cpu/classes/scavenge/background:cpu-seconds" Nanoseconds = |v| {
        v.either(Cell::CpuScavBg, Cell::CpuScavBgOld)
    };
    CpuIdle "/cpu/classes/idle:cpu-seconds" Nanoseconds = |v| v.either(Cell::CpuIdle, Cell::CpuIdleOld);
    CpuUser "/cpu/classes/user:cpu-seconds" Nanoseconds = |v| v.either(Cell::CpuUser, Cell::CpuUserOld);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_in_the_style_of_runtime_metrics() {
        let names: std::collections::BTreeSet<_> =
            Figure::ALL.iter().map(|one| one.name()).collect();
        assert_eq!(names.len(), Figure::ALL.len());
        for name in names {
            assert!(
                name.starts_with('/') && name.matches(':').count() == 1,
                "{name}"
            );
        }
    }
}
