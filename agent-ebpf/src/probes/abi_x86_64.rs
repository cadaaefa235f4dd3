//! Go's register ABI on amd64, at `push %rbp` or `jbe` of a prologue.
//!
//! Up to there only R12 and the flags have changed since the call, so every argument register is
//! still that of the caller and `0(%rsp)` is the return address.

use aya_ebpf::bindings::pt_regs;

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

    /// A general register by the number that instructions use for it: 0 is `rax`, 3 is `rbx`.
    #[inline(always)]
    pub(super) fn general(self, number: u32) -> Option<u64> {
        Some(match number {
            0 => self.0.rax,
            1 => self.0.rcx,
            2 => self.0.rdx,
            3 => self.0.rbx,
            4 => self.0.rsp,
            5 => self.0.rbp,
            6 => self.0.rsi,
            7 => self.0.rdi,
            8 => self.0.r8,
            9 => self.0.r9,
            10 => self.0.r10,
            11 => self.0.r11,
            12 => self.0.r12,
            13 => self.0.r13,
            14 => self.0.r14,
            15 => self.0.r15,
            _ => return None,
        })
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
