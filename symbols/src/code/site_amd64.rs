//! Probe sites on amd64: where in a function's prologue a probe is cheap, passed once, and sees the arguments.
//!
//! # Source      go-runtime facts: `push` and `jcc` are emulated by uprobes, other instructions single-stepped

use iced_x86::{Instruction, Mnemonic, OpKind, Register};

use super::effect::Registers;
use super::step::{Flow, Step};
use super::{Body, site, steps};
use crate::budget::MAX_PROLOGUE;
use crate::error::Reason;
use crate::fact::{ProbeSite, SiteKind};
use crate::image::{Image, Machine};

/// What a probe reads: arguments in order (rax rbx rcx rdi rsi r8 r9 r10 r11), the closure context (rdx),
/// g (r14) and the stack (rsp).
const ARGUMENTS: Registers = Registers(0b0100_1111_1101_1111);
/// Offsets of `g.stackguard0` and of `g.stackguard1`, with which functions of the system stack compare,
/// in every release since go1.4.
const STACK_GUARDS: [u64; 2] = [16, 24];

/// Finds `push %rbp`, else the stack check's `jbe`.
pub(super) fn find(image: &Image<'_>, body: Body<'_>) -> Result<ProbeSite, Reason> {
    let (kind, step) = scan(body)?;
    site(image, &step, kind)
}

/// Walks the prologue; what comes before the site must leave the arguments alone.
fn scan(body: Body<'_>) -> Result<(SiteKind, Step), Reason> {
    let mut check = None;
    let mut previous: Option<Step> = None;
    let fallback = |check: Option<Step>, reason| match check {
        Some(branch) => Ok((SiteKind::Jbe, branch)),
        None => Err(reason),
    };
    for step in steps(Machine::Amd64, body).take(MAX_PROLOGUE) {
        let step = match step {
            Ok(step) => step,
            Err(reason) => return fallback(check, reason),
        };
        let Some(instruction) = step.amd64() else {
            break;
        };
        if instruction.mnemonic() == Mnemonic::Push && instruction.op0_register() == Register::RBP {
            return Ok((SiteKind::PushRbp, step));
        }
        if step.effect().written.intersects(ARGUMENTS) {
            let instruction = step.text();
            return fallback(check, Reason::ArgumentsChanged { instruction });
        }
        match step.flow() {
            Flow::Next => {}
            Flow::Branch(_)
                if is_stack_check(previous.and_then(|step| step.amd64().copied()), instruction) =>
            {
                check = check.or((instruction.mnemonic() == Mnemonic::Jbe).then_some(step));
            }
            // Behind any other branch the path to a site is not the only one.
            _ => return fallback(check, Reason::NoCheapInstruction),
        }
        previous = Some(step);
    }
    fallback(check, Reason::NoCheapInstruction)
}

/// Says whether the branch belongs to the stack check: `cmp 0x10(%r14),reg; jbe`, or for frames that may
/// wrap around `sub n,%r12; jb` before it.
fn is_stack_check(previous: Option<Instruction>, branch: &Instruction) -> bool {
    let Some(previous) = previous else {
        return false;
    };
    match (previous.mnemonic(), branch.mnemonic()) {
        (Mnemonic::Cmp, Mnemonic::Jbe) => {
            let compared = matches!(previous.op0_register(), Register::RSP | Register::R12);
            compared
                && previous.op1_kind() == OpKind::Memory
                && previous.memory_base() == Register::R14
                && previous.memory_index() == Register::None
                && STACK_GUARDS.contains(&previous.memory_displacement64())
        }
        (Mnemonic::Sub, Mnemonic::Jb) => previous.op0_register() == Register::R12,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECK: [u8; 4] = [0x49, 0x3b, 0x66, 0x10];
    const JBE: [u8; 2] = [0x76, 0x10];
    const PUSH: [u8; 1] = [0x55];
    const SUB_RSP: [u8; 4] = [0x48, 0x83, 0xec, 0x18];

    fn site(parts: &[&[u8]]) -> Result<(SiteKind, u64, String), Reason> {
        let code = parts.concat();
        let (kind, step) = scan(Body {
            code: &code,
            address: 0x1000,
        })?;
        Ok((kind, step.address, step.text()))
    }

    #[test]
    fn push_is_preferred_and_jbe_is_the_next_best() {
        let push = (SiteKind::PushRbp, 0x1006, "push %rbp".to_owned());
        assert_eq!(site(&[&CHECK, &JBE, &PUSH]), Ok(push));
        let jbe = (SiteKind::Jbe, 0x1004, "jbe 0x1016".to_owned());
        assert_eq!(site(&[&CHECK, &JBE, &SUB_RSP, &PUSH]), Ok(jbe));
        assert_eq!(
            site(&[&PUSH]),
            Ok((SiteKind::PushRbp, 0x1000, "push %rbp".to_owned()))
        );
    }

    #[test]
    fn large_frames_are_understood() {
        let lea = [0x4c, 0x8d, 0x64, 0x24, 0xe8];
        let cmp_r12 = [0x4d, 0x3b, 0x66, 0x10];
        assert_eq!(
            site(&[&lea, &cmp_r12, &JBE, &PUSH]).unwrap().0,
            SiteKind::PushRbp
        );
        let (mov, sub) = ([0x49, 0x89, 0xe4], [0x49, 0x81, 0xec, 0, 0, 1, 0]);
        assert_eq!(
            site(&[&mov, &sub, &[0x72, 0x20], &cmp_r12, &JBE, &PUSH])
                .unwrap()
                .0,
            SiteKind::PushRbp
        );
    }

    #[test]
    fn a_changed_argument_register_rules_a_site_out() {
        // Every way to name a part of rax, and memory operands that only read.
        for change in [
            &[0xb0, 1][..],
            &[0xb4, 1],
            &[0x66, 0xb8, 1, 0],
            &[0x31, 0xc0],
            &[0x48, 0xff, 0xc0],
            &[0x0f, 0xa2],
        ] {
            assert_eq!(
                site(&[change, &PUSH]).unwrap_err().error_type(),
                "arguments_changed",
                "{change:x?}"
            );
        }
        for harmless in [
            &[0x4d, 0x89, 0xe5][..],
            &[0x48, 0x39, 0xd8],
            &[0x90],
            &[0x4c, 0x8b, 0x20],
        ] {
            assert!(site(&[harmless, &PUSH]).is_ok(), "{harmless:x?}");
        }
    }

    #[test]
    fn other_branches_and_returns_end_the_search() {
        assert_eq!(
            site(&[&[0x74, 0x10], &PUSH]),
            Err(Reason::NoCheapInstruction)
        );
        assert_eq!(
            site(&[&[0x76, 0x10], &PUSH]),
            Err(Reason::NoCheapInstruction)
        );
        assert_eq!(
            site(&[&[0xc3], &PUSH]).unwrap_err().error_type(),
            "arguments_changed"
        );
        assert_eq!(site(&[&[0x90; 8], &PUSH]), Err(Reason::NoCheapInstruction));
        assert_eq!(
            site(&[&[0x06]]),
            Err(Reason::Undecodable { address: 0x1000 })
        );
        assert_eq!(site(&[]), Err(Reason::NoCheapInstruction));
    }
}
