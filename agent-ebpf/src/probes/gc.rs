//! Stops of the world.
//!
//! | program | function | reads |
//! |---|---|---|
//! | `gc_stop` | `runtime.startTheWorldWithSema` (1.22+: AX now, BX reason, CX started; 1.23+: DI stopped) | `runtime.work`, and at the end of a cycle `gcController` and `memstats` |
//!
//! Two hits per GC cycle. Times are the runtime's own: a probe's time would include the probe. The world
//! stands still while the program runs, so what it reads is of one moment.

use agent_ebpf::{
    counter::{Counter, Program},
    event::{KIND_GC_STOP, gc::*},
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
        event.header = hit.header(KIND_GC_STOP, size_of::<GcStopEvent>(), 0);
        event.known = 0;
        arguments(event, hit);
        cycle(event, hit);
        if !event.knows(KNOWN_TIMES) || event.times_ns[3] >= event.times_ns[2] {
            ended(event, hit);
        } else {
            nothing_ended(event);
        }
        Ok(())
    })
}

/// What the function is told of the stop.
#[inline(always)]
fn arguments(event: &mut GcStopEvent, hit: &Hit<'_>) {
    let (kind, registers) = (hit.offsets.stw_arguments, hit.registers);
    let has_reason = kind == 1 || kind == 2;
    event.reason = REASON_UNKNOWN;
    event.now_ns = 0;
    event.started_ns = 0;
    event.stopped_ns = 0;
    if has_reason {
        event.reason = (registers.argument::<1>() & 0xff) as u32;
        event.now_ns = registers.argument::<0>();
        event.started_ns = registers.argument::<2>();
    }
    if kind == 2 {
        event.stopped_ns = registers.argument::<3>();
    }
}

/// Which cycle this is, and how far it has come.
#[inline(always)]
fn cycle(event: &mut GcStopEvent, hit: &Hit<'_>) {
    let (offsets, work) = (hit.offsets, hit.offsets.work_address);
    event.known |= part(&mut event.cycle, 0, work, offsets.work_cycles, KNOWN_CYCLE)
        | part(
            &mut event.pause_ns,
            0,
            work,
            offsets.work_pause_ns,
            KNOWN_PAUSE,
        )
        | part(
            &mut event.times_ns,
            [0; 4],
            work,
            offsets.work_times,
            KNOWN_TIMES,
        );
}

/// What a finished cycle leaves behind.
#[inline(always)]
fn ended(event: &mut GcStopEvent, hit: &Hit<'_>) {
    let offsets = hit.offsets;
    let (work, controller) = (offsets.work_address, offsets.controller_address);
    let mut forced = 0_u8;
    event.known |= part(&mut forced, 0, work, offsets.work_user_forced, KNOWN_FORCED)
        | part(
            &mut event.heap_bytes,
            [0; 3],
            work,
            offsets.work_heaps,
            KNOWN_HEAP,
        )
        | part(
            &mut event.procs,
            [0; 2],
            work,
            offsets.work_procs,
            KNOWN_PROCS,
        )
        | part(
            &mut event.goal_bytes,
            0,
            controller,
            offsets.controller_goal,
            KNOWN_GOAL,
        )
        | part(
            &mut event.mark_cpu_ns,
            [0; 4],
            controller,
            offsets.controller_mark_times,
            KNOWN_MARK_CPU,
        )
        | part(
            &mut event.stack_bytes,
            0,
            controller,
            offsets.controller_stack_scan,
            KNOWN_STACK,
        )
        | part(
            &mut event.globals_bytes,
            0,
            controller,
            offsets.controller_globals_scan,
            KNOWN_GLOBALS,
        )
        | part(
            &mut event.cpu_fraction,
            0,
            offsets.memstats_address,
            offsets.memstats_cpu_fraction,
            KNOWN_CPU_FRACTION,
        )
        | part(
            &mut event.init_time_ns,
            0,
            offsets.init_time_address,
            0,
            KNOWN_INIT_TIME,
        );
    event.forced = u32::from(forced);
}

/// The ring lends memory with old bytes in it.
#[inline(always)]
fn nothing_ended(event: &mut GcStopEvent) {
    event.heap_bytes = [0; 3];
    event.mark_cpu_ns = [0; 4];
    event.goal_bytes = 0;
    event.stack_bytes = 0;
    event.globals_bytes = 0;
    event.cpu_fraction = 0;
    event.init_time_ns = 0;
    event.procs = [0; 2];
    event.forced = 0;
}

/// Copies one part and returns its bit; what cannot be read becomes `none`.
#[inline(always)]
fn part<T: read::Plain>(place: &mut T, none: T, address: u64, offset: u32, bit: u32) -> u32 {
    *place = none;
    if address == 0 || offset == UNKNOWN {
        return 0;
    }
    match read::at(address, offset) {
        Ok(value) => {
            *place = value;
            bit
        }
        Err(_) => 0,
    }
}

/// Finished GC cycles, to be kept with a span that starts; 0 where stops are probed.
#[inline(always)]
pub(super) fn at_span_start(hit: &Hit<'_>) -> u32 {
    let mut cycles = 0;
    part(&mut cycles, 0, hit.offsets.gc_count_address, 0, 0);
    cycles
}

/// What there is to know of the collector at the end of a span: where stops are probed, which of them the
/// span can have met; else the number of cycles.
#[inline(always)]
pub(super) fn at_span_end(hit: &Hit<'_>, cycles_at_start: u32) -> SpanGc {
    let offsets = hit.offsets;
    let mut gc = SpanGc {
        mark_ns: 0,
        cycles: NOT_READ,
        stopping: NOT_READ,
    };
    let mut stopping = 0_u8;
    if part(&mut stopping, 0, offsets.gc_waiting_address, 0, 1) == 1 {
        gc.stopping = u32::from(stopping != 0);
        if offsets.work_times != UNKNOWN {
            // `tMark` follows `tSweepTerm`.
            part(
                &mut gc.mark_ns,
                0,
                offsets.work_address,
                offsets.work_times + 8,
                0,
            );
        }
    }
    let mut cycles = 0_u32;
    if part(&mut cycles, 0, offsets.gc_count_address, 0, 1) == 1 {
        gc.cycles = cycles.wrapping_sub(cycles_at_start);
    }
    gc
}
