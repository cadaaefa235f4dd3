//! Stops of the world.
//!
//! | program | function | reads |
//! |---|---|---|
//! | `gc_stop` | `runtime.startTheWorldWithSema` (1.22+: AX now, BX reason, CX started; 1.23+: DI stopped) | `runtime.work` |
//!
//! Two hits per GC cycle. Times are the runtime's own: a probe's time would include the probe.

use agent_ebpf::{
    counter::{Counter, Program},
    event::{
        KIND_GC_STOP,
        gc::{GcStopEvent, REASON_UNKNOWN},
    },
    offsets::UNKNOWN,
};
use aya_ebpf::{macros::uprobe, programs::ProbeContext};

use super::{
    hit::{Hit, run},
    read, ring,
};

#[uprobe]
fn gc_stop(context: ProbeContext) -> u32 {
    run(&context, Program::GcStop, stop)
}

#[inline(always)]
fn stop(hit: &Hit<'_>) -> Result<(), Counter> {
    ring::emit(|event: &mut GcStopEvent| {
        *event = collect(hit);
        Ok(())
    })
}

#[inline(always)]
fn collect(hit: &Hit<'_>) -> GcStopEvent {
    let (offsets, registers) = (hit.offsets, hit.registers);
    let (has_reason, has_stopped) = (
        offsets.stw_arguments != UNKNOWN && offsets.stw_arguments >= 1,
        offsets.stw_arguments == 2,
    );
    GcStopEvent {
        header: hit.header(KIND_GC_STOP, size_of::<GcStopEvent>(), 0),
        reason: if has_reason {
            (registers.argument::<1>() & 0xff) as u32
        } else {
            REASON_UNKNOWN
        },
        cycle: work(hit, offsets.work_cycles) as u32,
        started_ns: if has_reason {
            registers.argument::<2>()
        } else {
            0
        },
        stopped_ns: if has_stopped {
            registers.argument::<3>()
        } else {
            0
        },
        pause_ns: work(hit, offsets.work_pause_ns),
        now_ns: if has_reason {
            registers.argument::<0>()
        } else {
            0
        },
    }
}

/// A word of `runtime.work`, 0 when its place is unknown.
#[inline(always)]
fn work(hit: &Hit<'_>, offset: u32) -> u64 {
    if hit.offsets.work_address == 0 {
        return 0;
    }
    read::at(hit.offsets.work_address, offset).unwrap_or(0)
}
