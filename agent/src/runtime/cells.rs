//! The runtime's variables that hold one number each: where they are, how wide they are, and since when.

use serde::{Deserialize, Serialize};

/// The first release of Go 1.x that has a variable, and the last one; [`NOW`] when it still has it.
type Releases = (u32, u32);

/// No release has dropped it.
const NOW: u32 = u32::MAX;

/// How a number is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    /// `uint32`.
    Four,
    /// `int32`, widened with its sign.
    Signed,
    /// Eight bytes, read as `uint64` whatever they are.
    Eight,
}

impl Width {
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Four | Self::Signed => 4,
            Self::Eight => 8,
        }
    }
}

/// Where one number lies.
#[derive(Debug)]
pub(super) struct Place {
    /// The variable of the runtime.
    pub(super) variable: &'static str,
    /// Its type and the field in it; none when the variable itself is the number.
    pub(super) field: Option<(&'static str, &'static str)>,
    pub(super) width: Width,
    pub(super) releases: Releases,
}

impl Place {
    /// Whether Go 1.`minor` has it.
    pub(super) fn is_in(&self, minor: u32) -> bool {
        (self.releases.0..=self.releases.1).contains(&minor)
    }
}

/// The type of a variable that is a struct.
macro_rules! structure {
    (memstats) => {
        "runtime.mstats"
    };
    (gcController) => {
        "runtime.gcControllerState"
    };
    (sched) => {
        "runtime.schedt"
    };
    (work) => {
        "runtime.workType"
    };
    (mheap_) => {
        "runtime.mheap"
    };
    (gcCPULimiter) => {
        "runtime.gcCPULimiterState"
    };
}

macro_rules! place_of {
    ($variable:ident, itself) => {
        None
    };
    ($variable:ident, $path:literal) => {
        Some((structure!($variable), $path))
    };
}

macro_rules! cells {
    ($($id:ident: $variable:ident $field:tt $width:ident $first:literal..$last:expr;)*) => {
        /// A number that is read.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        pub enum Cell {
            $(
                #[doc = concat!("`runtime.", stringify!($variable), "`: ", stringify!($field), ".")]
                $id,
            )*
        }

        impl Cell {
            /// Every one.
            pub(super) const ALL: &'static [Self] = &[$(Self::$id),*];

            pub(super) fn place(self) -> &'static Place {
                match self {
                    $(Self::$id => &Place {
                        variable: concat!("runtime.", stringify!($variable)),
                        field: place_of!($variable, $field),
                        width: Width::$width,
                        releases: ($first, $last),
                    },)*
                }
            }
        }
    };
}

cells! {
    StacksSys:        memstats "stacks_sys" Eight 17..NOW;
    MspanSys:         memstats "mspan_sys" Eight 17..NOW;
    McacheSys:        memstats "mcache_sys" Eight 17..NOW;
    BuckhashSys:      memstats "buckhash_sys" Eight 17..NOW;
    GcMiscSys:        memstats "gcMiscSys" Eight 17..NOW;
    OtherSys:         memstats "other_sys" Eight 17..NOW;
    LastGcUnix:       memstats "last_gc_unix" Eight 17..NOW;
    NumForcedGc:      memstats "numforcedgc" Four 17..NOW;
    GcCpuFraction:    memstats "gc_cpu_fraction" Eight 17..NOW;

    MspanInUse:       mheap_ "spanalloc.inuse" Eight 17..NOW;
    McacheInUse:      mheap_ "cachealloc.inuse" Eight 17..NOW;

    GcPercent:        gcController "gcPercent" Signed 17..NOW;
    MemoryLimit:      gcController "memoryLimit" Eight 19..NOW;
    PercentHeapGoal:  gcController "gcPercentHeapGoal" Eight 19..NOW;
    SweepTrigger:     gcController "sweepDistMinTrigger" Eight 19..NOW;
    Triggered:        gcController "triggered" Eight 19..NOW;
    Runway:           gcController "runway" Eight 19..NOW;
    GoalOld:          gcController "heapGoal" Eight 17..18;
    TriggerOld:       gcController "trigger" Eight 17..18;
    HeapLive:         gcController "heapLive" Eight 17..NOW;
    HeapScan:         gcController "heapScan" Eight 17..NOW;
    LastStackScan:    gcController "lastStackScan" Eight 19..NOW;
    GlobalsScan:      gcController "globalsScan" Eight 18..NOW;
    HeapMarked:       gcController "heapMarked" Eight 17..NOW;
    AssistTime:       gcController "assistTime" Eight 17..NOW;
    HeapFree:         gcController "heapFree" Eight 19..NOW;
    TotalAlloc:       gcController "totalAlloc" Eight 19..NOW;
    TotalFree:        gcController "totalFree" Eight 19..NOW;
    MappedReady:      gcController "mappedReady" Eight 19..NOW;

    CpuAssistOld:     work "cpuStats.gcAssistTime" Eight 20..22;
    CpuDedicatedOld:  work "cpuStats.gcDedicatedTime" Eight 20..22;
    CpuGcIdleOld:     work "cpuStats.gcIdleTime" Eight 20..22;
    CpuPauseOld:      work "cpuStats.gcPauseTime" Eight 20..22;
    CpuScavAssistOld: work "cpuStats.scavengeAssistTime" Eight 20..22;
    CpuScavBgOld:     work "cpuStats.scavengeBgTime" Eight 20..22;
    CpuIdleOld:       work "cpuStats.idleTime" Eight 20..22;
    CpuUserOld:       work "cpuStats.userTime" Eight 20..22;
    CpuAssist:        work "cpuStats.GCAssistTime" Eight 23..NOW;
    CpuDedicated:     work "cpuStats.GCDedicatedTime" Eight 23..NOW;
    CpuGcIdle:        work "cpuStats.GCIdleTime" Eight 23..NOW;
    CpuPause:         work "cpuStats.GCPauseTime" Eight 23..NOW;
    CpuScavAssist:    work "cpuStats.ScavengeAssistTime" Eight 23..NOW;
    CpuScavBg:        work "cpuStats.ScavengeBgTime" Eight 23..NOW;
    CpuIdle:          work "cpuStats.IdleTime" Eight 23..NOW;
    CpuUser:          work "cpuStats.UserTime" Eight 23..NOW;
    LimiterLast:      gcCPULimiter "lastEnabledCycle" Four 19..NOW;

    MNext:            sched "mnext" Eight 17..NOW;
    MFreed:           sched "nmfreed" Eight 17..NOW;
    SystemGoroutines: sched "ngsys" Signed 17..NOW;
    FreeOld:          sched "gFree.n" Signed 17..24;
    FreeWithStack:    sched "gFree.stack.size" Signed 25..NOW;
    FreeWithoutStack: sched "gFree.noStack.size" Signed 25..NOW;
    RunQueueOld:      sched "runqsize" Signed 17..24;
    RunQueue:         sched "runq.size" Signed 25..NOW;
    Spinning:         sched "nmspinning" Signed 17..NOW;
    MutexWait:        sched "totalMutexWaitTime" Eight 20..NOW;
    RuntimeLockWait:  sched "totalRuntimeLockWaitTime" Eight 22..NOW;
    Created:          sched "goroutinesCreated" Eight 26..NOW;
    Restarted:        sched "procresizetime" Eight 17..NOW;
    ProcessorTime:    sched "totaltime" Eight 17..NOW;

    MaxProcs:         gomaxprocs itself Signed 17..NOW;
    AllGoroutines:    allglen itself Eight 17..NOW;
    GcPhase:          gcphase itself Four 17..NOW;
    CgoCalls:         ncgocall itself Eight 17..NOW;
    ExtraOld:         extraMCount itself Four 17..20;
    ExtraLength:      extraMLength itself Four 21..NOW;
    ExtraInUse:       extraMInUse itself Four 21..NOW;
    StartingStack:    startingStackSize itself Four 19..NOW;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_in_the_releases_it_names() {
        let old = Cell::FreeOld.place();
        assert!(old.is_in(17) && old.is_in(24) && !old.is_in(25));
        assert!(Cell::Created.place().is_in(99));
        assert_eq!(
            Cell::Created.place().field,
            Some(("runtime.schedt", "goroutinesCreated"))
        );
        assert_eq!(Cell::GcPhase.place().variable, "runtime.gcphase");
    }
}
