//! Go's register ABI on amd64, at `push %rbp` or `jbe` of a prologue.
//!
//! Up to there only R12 and the flags have changed since the call, so every argument register is
//! still that of the caller and `0(%rsp)` is the return address.

use aya_ebpf::bindings::pt_regs;
use core::arch::asm;

/// The registers of the probed thread.
#[derive(Clone, Copy)]
pub(super) struct Registers<'a>(pub(super) &'a pt_regs);

/// CF and ZF: with either set, `jbe` branches to `runtime.morestack` and the function runs again.
const CARRY_OR_ZERO: u64 = 0x41;

impl Registers<'_> {
    /// Integer argument `N` (0 to 5): AX, BX, CX, DI, SI, R8.
    #[inline(always)]
    pub(super) fn argument<const N: usize>(self) -> u64 {
        match N {
            0 => self.0.rax,
            1 => self.0.rbx,
            2 => self.0.rcx,
            3 => self.0.rdi,
            4 => self.0.rsi,
            _ => self.0.r8,
        }
    }

    /// A result register by the number that instructions use for it: 0 is `rax`, 3 is `rbx`.
    #[inline(always)]
    pub(super) fn result(self, number: u32) -> Option<u64> {
        // Each is read where it is: the verifier refuses an address that was computed from the number, which
        // is what compilers make of a choice between plain loads.
        let mut value = fixed(self.0.rax);
        for (other, register) in [
            (3, fixed(self.0.rbx)),
            (1, fixed(self.0.rcx)),
            (7, fixed(self.0.rdi)),
            (6, fixed(self.0.rsi)),
        ] {
            if number == other {
                value = register;
            }
        }
        matches!(number, 0 | 1 | 3 | 6 | 7).then_some(value)
    }

    /// The running `runtime.g`.
    #[inline(always)]
    pub(super) fn g(self) -> u64 {
        self.0.r14
    }

    /// Address of the return address.
    #[inline(always)]
    pub(super) fn stack_pointer(self) -> u64 {
        self.0.rsp
    }

    /// Frame pointer of the caller.
    #[inline(always)]
    pub(super) fn frame_pointer(self) -> u64 {
        self.0.rbp
    }

    /// Whether a `jbe` under the probe is about to branch.
    #[inline(always)]
    pub(super) fn branch_taken(self) -> bool {
        self.0.eflags & CARRY_OR_ZERO != 0
    }
}

/// The same value, of which the compiler does not know where it came from.
#[inline(always)]
fn fixed(mut value: u64) -> u64 {
    // SAFETY: a register is moved to itself.
    unsafe { asm!("{0} = {0}", inout(reg) value, options(pure, nomem, nostack, preserves_flags)) };
    value
}
