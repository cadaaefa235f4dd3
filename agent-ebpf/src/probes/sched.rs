//! How long runnable goroutines wait for a processor, by creation site; on demand only.
//!
//! | program | function | counts |
//! |---|---|---|
//! | `sched_ready` | `runtime.ready` (AX the `g` that becomes runnable) | nothing; it times the begin of the wait |
//! | `sched_execute` | `runtime.execute` (AX the `g` that gets a processor) | waits |
//!
//! New goroutines begin to wait at their birth (`goroutine_born`). What becomes runnable by other ways
//! (network poller, preemption, `Gosched`, return from a system call) is counted and has no duration.

use agent_ebpf::counter::{Counter, Program};
use aya_ebpf::{macros::uprobe, programs::ProbeContext};

use super::{
    hit::{Hit, run},
    sites::{Site, is_watched, mark, since_mark},
};

#[uprobe]
fn sched_ready(context: ProbeContext) -> u32 {
    run(&context, Program::SchedReady, ready)
}

#[uprobe]
fn sched_execute(context: ProbeContext) -> u32 {
    run(&context, Program::SchedExecute, execute)
}

#[inline(always)]
fn ready(hit: &Hit<'_>) -> Result<(), Counter> {
    if is_watched(hit) {
        mark(hit, hit.registers.argument::<0>())?;
    }
    Ok(())
}

#[inline(always)]
fn execute(hit: &Hit<'_>) -> Result<(), Counter> {
    if !is_watched(hit) {
        return Ok(());
    }
    let g = hit.registers.argument::<0>();
    let wait = since_mark(hit, g)?;
    let site = Site::of(hit, g)?;
    site.ended();
    if let Some(ns) = wait {
        site.lasted(ns);
    }
    Ok(())
}
