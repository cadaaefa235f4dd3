//! Begin and end of goroutines, counted by creation site in budgeted windows.
//!
//! | program | function | counts |
//! |---|---|---|
//! | `goroutine_new` | `runtime.newproc1` (CX return address in the creator) | creations |
//! | `goroutine_born` | `runtime.newproc.func1` behind its call of `newproc1` (result: the new `g`) | nothing; it times the birth |
//! | `coroutine_born` | `runtime.newcoro.func1` (1.23+) behind its call of `newproc1` | as `goroutine_born`, for `iter.Pull` |
//! | `goroutine_exit` | `runtime.gdestroy`, before 1.22 `runtime.goexit0` (AX the ending `g`) | exits, lifetimes, stack sizes |
//!
//! All run on the scheduler's stack, so `R14` is no goroutine of interest. A goroutine cannot run before
//! the caller of `newproc1` has put it into a queue or switches to it, which is after its birth is noted.

use agent_ebpf::counter::{Counter, Program};
use aya_ebpf::{macros::uprobe, programs::ProbeContext};

use super::{
    hit::{Hit, run},
    read,
    sites::{Site, is_watched, mark, since_mark},
};

#[uprobe]
fn goroutine_new(context: ProbeContext) -> u32 {
    run(&context, Program::GoroutineNew, created)
}

#[uprobe]
fn goroutine_born(context: ProbeContext) -> u32 {
    run(&context, Program::GoroutineBorn, |hit| {
        born(hit, hit.offsets.new_g_register)
    })
}

#[uprobe]
fn coroutine_born(context: ProbeContext) -> u32 {
    run(&context, Program::CoroutineBorn, |hit| {
        born(hit, hit.offsets.new_coroutine_register)
    })
}

#[uprobe]
fn goroutine_exit(context: ProbeContext) -> u32 {
    run(&context, Program::GoroutineExit, exited)
}

#[inline(always)]
fn created(hit: &Hit<'_>) -> Result<(), Counter> {
    if is_watched(hit) {
        Site::at(hit, hit.registers.argument::<2>())?.begun();
    }
    Ok(())
}

#[inline(always)]
fn born(hit: &Hit<'_>, register: u32) -> Result<(), Counter> {
    if !is_watched(hit) {
        return Ok(());
    }
    let new = hit.registers.result(register).ok_or(Counter::NoOffset)?;
    mark(hit, new)
}

#[inline(always)]
fn exited(hit: &Hit<'_>) -> Result<(), Counter> {
    if !is_watched(hit) {
        return Ok(());
    }
    let (g, offsets) = (hit.registers.argument::<0>(), hit.offsets);
    // Taken first, so that it goes even when the rest cannot be read.
    let lifetime = since_mark(hit, g)?;
    let low: u64 = read::at(g, offsets.g_stack_low)?;
    let high: u64 = read::at(g, offsets.g_stack_high)?;
    let site = Site::of(hit, g)?;
    site.ended();
    site.stack(high.wrapping_sub(low));
    if let Some(ns) = lifetime {
        site.lasted(ns);
    }
    Ok(())
}
