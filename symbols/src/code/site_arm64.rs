//! Probe sites on arm64.
//!
//! The stack check loads the guard, compares the stack pointer less the frame with it, and branches to
//! `morestack` with `b.ls`, which the kernel simulates. A function without stack check has a site where a
//! simulated instruction comes before any change to what a probe reads.
//!
//! # Source     `cmd/internal/obj/arm64/obj7.go` (`stacksplit`), `arch/arm64/kernel/probes/decode-insn.c`

use super::effect::Registers;
use super::flow::Targets;
use super::step::{Flow, Step};
use super::{Body, arm64, site, steps};
use crate::budget::MAX_PROLOGUE;
use crate::error::Reason;
use crate::fact::{ProbeSite, SiteKind};
use crate::image::{Image, Machine};

/// What a probe reads: arguments (x0 to x15), the closure context (x26), g (x28), and the stack.
const ARGUMENTS: Registers = Registers(0x9400_ffff);
/// `ldr x16, [x28, #16]` and `#24`: `g.stackguard0`, and `g.stackguard1` on the system stack.
const LOAD_GUARD: [u32; 2] = [0xf940_0b90, 0xf940_0f90];
/// `cmp sp, x16` and `cmp x17, x16`.
const COMPARE_GUARD: [u32; 2] = [0xeb30_63ff, 0xeb10_023f];
/// Conditions of `b.cond`.
const CARRY_CLEAR: u32 = 3;
const LOWER_OR_SAME: u32 = 9;

/// Finds the stack check's `b.ls`, else a simulated instruction that the first lines of a function lead to.
pub(super) fn find(image: &Image<'_>, body: Body<'_>) -> Result<ProbeSite, Reason> {
    let (kind, step) = scan(body)?;
    if kind == SiteKind::Simulated {
        let targets = Targets::of(Machine::Arm64, body)?;
        // A loop or a jump table that leads into the way would pass the site again.
        let mut way = (body.address..=step.address).step_by(4);
        if targets.unknown.is_some() || way.any(|address| targets.contains(address)) {
            return Err(Reason::NoCheapInstruction);
        }
    }
    site(image, &step, kind)
}

fn scan(body: Body<'_>) -> Result<(SiteKind, Step), Reason> {
    let (mut guarded, mut previous) = (false, 0);
    for step in steps(Machine::Arm64, body).take(MAX_PROLOGUE) {
        let step = step?;
        let Some(word) = step.word() else {
            break;
        };
        guarded |= LOAD_GUARD.contains(&word);
        match (guarded, arm64::condition(word)) {
            (true, Some(LOWER_OR_SAME)) if COMPARE_GUARD.contains(&previous) => {
                return Ok((SiteKind::BLs, step));
            }
            // A large frame first asks whether the stack pointer is larger than the frame at all.
            (true, Some(CARRY_CLEAR)) if arm64::subtracts_from_stack(previous) => {}
            _ if step.is_emulated() && !guarded => return Ok((SiteKind::Simulated, step)),
            _ if step.flow() != Flow::Next => return Err(Reason::NoCheapInstruction),
            _ => {}
        }
        if step.effect().written.intersects(ARGUMENTS) {
            return Err(Reason::ArgumentsChanged {
                instruction: step.text(),
            });
        }
        previous = word;
    }
    Err(Reason::NoCheapInstruction)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUARD: u32 = 0xf940_0b90;
    const B_LS: u32 = 0x5400_2749;
    const RET: u32 = 0xd65f_03c0;

    fn found(words: &[u32]) -> Result<(SiteKind, u64), Reason> {
        let code: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let (kind, step) = scan(Body {
            code: &code,
            address: 0x1000,
        })?;
        Ok((kind, step.address))
    }

    #[test]
    fn the_stack_checks_branch_is_the_site() {
        // ldr x16,[x28,#16]; cmp sp,x16; b.ls
        assert_eq!(
            found(&[GUARD, 0xeb30_63ff, B_LS]),
            Ok((SiteKind::BLs, 0x1008))
        );
        // sub x17,sp,#0x30; cmp x17,x16
        let middle = [GUARD, 0xd100_c3f1, 0xeb10_023f, B_LS];
        assert_eq!(found(&middle), Ok((SiteKind::BLs, 0x100c)));
        // mov x27,#N; subs x17,sp,x27; b.cc; cmp x17,x16
        let large = [
            GUARD,
            0xd284_021b,
            0xeb3b_63f1,
            0x5400_0403,
            0xeb10_023f,
            B_LS,
        ];
        assert_eq!(found(&large), Ok((SiteKind::BLs, 0x1014)));
    }

    #[test]
    fn other_branches_are_no_stack_check() {
        assert_eq!(
            found(&[GUARD, 0xeb01_005f, B_LS]),
            Err(Reason::NoCheapInstruction)
        );
        assert_eq!(
            found(&[GUARD, 0xeb30_63ff, RET]),
            Err(Reason::NoCheapInstruction)
        );
    }

    #[test]
    fn without_a_check_the_first_simulated_instruction_serves() {
        assert_eq!(found(&[RET]), Ok((SiteKind::Simulated, 0x1000)));
        // ldr x16,[x0]; cbz x16
        assert_eq!(
            found(&[0xf940_0010, 0xb400_0050]),
            Ok((SiteKind::Simulated, 0x1004))
        );
        // mov x0,#1; ret
        assert_eq!(
            found(&[0xd280_0020, RET]).unwrap_err().error_type(),
            "arguments_changed"
        );
        // str x30,[sp,#-16]! moves the stack.
        assert!(found(&[0xf81f_0ffe, RET]).is_err());
        assert_eq!(found(&[]), Err(Reason::NoCheapInstruction));
    }
}
