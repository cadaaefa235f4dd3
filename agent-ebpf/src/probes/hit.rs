//! What every uprobe program does first: whose hit is this?

use agent_ebpf::{
    counter::{Counter, Program},
    event::EventHeader,
    offsets::Offsets,
    target::{GoroutineKey, TargetRef},
};
use aya_ebpf::{
    EbpfContext,
    helpers::{
        bpf_get_current_pid_tgid,
        generated::{bpf_get_attach_cookie, bpf_ktime_get_ns},
    },
    programs::ProbeContext,
};

use super::{
    abi_x86_64::Registers,
    maps::{OFFSETS, TARGETS, count, count_hit, has_cookies},
    read,
};

/// One hit of a probe by a live target.
pub(super) struct Hit<'a> {
    pub(super) target: TargetRef,
    pub(super) offsets: &'a Offsets,
    pub(super) registers: Registers<'a>,
}

/// Runs `body` for a hit that belongs to a target, and counts what goes wrong.
#[inline(always)]
pub(super) fn run(
    context: &ProbeContext,
    program: Program,
    body: impl FnOnce(&Hit<'_>) -> Result<(), Counter>,
) -> u32 {
    if let Err(counter) = identify(context, program).and_then(|hit| body(&hit)) {
        count(counter);
    }
    0
}

#[inline(always)]
fn identify(context: &ProbeContext, program: Program) -> Result<Hit<'_>, Counter> {
    let process = (bpf_get_current_pid_tgid() >> 32) as u32;
    // SAFETY: copied at once; an entry that was freed meanwhile and belongs to another target by now
    // carries another generation, which the checks below refuse.
    let target = *unsafe { TARGETS.get(process) }.ok_or(Counter::NotTarget)?;
    let offsets = OFFSETS.get(target.slot).ok_or(Counter::NotTarget)?;
    let linked_for = link_generation(context);
    if offsets.generation != target.generation
        || (linked_for != 0 && linked_for != target.generation)
    {
        return Err(Counter::NotTarget);
    }
    count_hit(target.slot, program);
    // SAFETY: the kernel passes valid registers for the length of the program.
    let registers = Registers(unsafe { &*context.regs });
    if offsets.jbe_programs & (1 << (program as u32)) != 0 && registers.branch_taken() {
        return Err(Counter::StackGrowth);
    }
    Ok(Hit {
        target,
        offsets,
        registers,
    })
}

/// The registration that a link was made for, 0 for links by file.
///
/// A process that executes itself still meets the links of its former life until they are closed.
#[inline(always)]
fn link_generation(context: &ProbeContext) -> u32 {
    if !has_cookies() {
        return 0;
    }
    // SAFETY: the context is the one the kernel has passed.
    unsafe { bpf_get_attach_cookie(context.as_ptr()) as u32 }
}

impl Hit<'_> {
    /// The goroutine that runs; the scheduler's own stack has none.
    ///
    /// `R14` needs no further proof here: every probe sits in the prologue of a Go function, which has
    /// itself just compared the stack with the limits in that `g`, or is entered by Go code only. C code
    /// of cgo, where the register means something else, is never probed.
    #[inline(always)]
    pub(super) fn goid(&self) -> Result<u64, Counter> {
        match read::at(self.registers.g(), self.offsets.g_goid)? {
            0 => Err(Counter::NoGoroutine),
            goid => Ok(goid),
        }
    }

    #[inline(always)]
    pub(super) fn key(&self, goid: u64) -> GoroutineKey {
        GoroutineKey {
            target: self.target,
            goid,
        }
    }

    #[inline(always)]
    pub(super) fn header(&self, kind: u32, size: usize, goid: u64) -> EventHeader {
        EventHeader {
            kind,
            size: size as u32,
            target: self.target,
            time_ns: now(),
            goid,
        }
    }
}

/// `CLOCK_MONOTONIC` in nanoseconds, the clock of the Go runtime.
#[inline(always)]
pub(super) fn now() -> u64 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { bpf_ktime_get_ns() }
}
