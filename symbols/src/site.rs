//! Probe sites: where in a function's prologue a probe is cheap, passed once, and sees the arguments.
//!
//! # Source      go-runtime facts: `push` and `jcc` are emulated by uprobes, other instructions single-stepped

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Formatter, GasFormatter, Instruction,
    InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register,
};

use crate::budget::MAX_PROLOGUE;
use crate::error::Reason;
use crate::fact::{Function, ProbeSite, SiteKind};
use crate::image::{Image, Machine};

/// Longest instruction of the machine.
const MAX_INSTRUCTION: u64 = 15;
/// What a probe reads: arguments in order, the closure context, g and the stack.
const ARGUMENTS: [Register; 12] = [
    Register::RAX,
    Register::RBX,
    Register::RCX,
    Register::RDI,
    Register::RSI,
    Register::R8,
    Register::R9,
    Register::R10,
    Register::R11,
    Register::RDX,
    Register::R14,
    Register::RSP,
];
/// Offsets of `g.stackguard0` and of `g.stackguard1`, with which functions of the system stack compare,
/// in every release since go1.4.
const STACK_GUARDS: [u64; 2] = [16, 24];

/// Finds `push %rbp`, else the stack check's `jbe`.
pub(crate) fn find(image: &Image<'_>, function: &Function) -> Result<ProbeSite, Reason> {
    if image.machine != Machine::Amd64 {
        return Err(Reason::UnsupportedMachine);
    }
    let outside = Reason::OutsideCode {
        address: function.address,
    };
    if !image.is_code(function.address) {
        return Err(outside);
    }
    let window = function
        .size
        .min(MAX_INSTRUCTION.saturating_mul(MAX_PROLOGUE as u64));
    let tail = image.tail(function.address).ok_or(outside)?;
    let code = tail
        .get(..usize::try_from(window).unwrap_or(0).min(tail.len()))
        .unwrap_or_default();
    let (kind, instruction) = scan(code, function.address)?;
    let address = instruction.ip();
    let file_offset = image
        .file_offset(address)
        .ok_or(Reason::OutsideCode { address })?;
    Ok(ProbeSite {
        address,
        file_offset,
        kind,
        instruction: text(&instruction),
    })
}

/// Walks the prologue; what comes before the site must leave the arguments alone.
fn scan(code: &[u8], address: u64) -> Result<(SiteKind, Instruction), Reason> {
    let mut decoder = Decoder::with_ip(64, code, address, DecoderOptions::NONE);
    let mut info = InstructionInfoFactory::new();
    let mut check = None;
    let mut previous = None;
    let fallback = |check: Option<Instruction>, reason| match check {
        Some(branch) => Ok((SiteKind::Jbe, branch)),
        None => Err(reason),
    };
    for _ in 0..MAX_PROLOGUE {
        if !decoder.can_decode() {
            break;
        }
        let instruction = decoder.decode();
        if instruction.is_invalid() {
            return fallback(
                check,
                Reason::Undecodable {
                    address: instruction.ip(),
                },
            );
        }
        if instruction.mnemonic() == Mnemonic::Push && instruction.op0_register() == Register::RBP {
            return Ok((SiteKind::PushRbp, instruction));
        }
        if changes_arguments(&mut info, &instruction) {
            return fallback(
                check,
                Reason::ArgumentsChanged {
                    instruction: text(&instruction),
                },
            );
        }
        match instruction.flow_control() {
            FlowControl::Next => {}
            FlowControl::ConditionalBranch if is_stack_check(previous.as_ref(), &instruction) => {
                check = check.or((instruction.mnemonic() == Mnemonic::Jbe).then_some(instruction));
            }
            // Behind any other branch the path to a site is not the only one.
            _ => return fallback(check, Reason::NoCheapInstruction),
        }
        previous = Some(instruction);
    }
    fallback(check, Reason::NoCheapInstruction)
}

/// Says whether the branch belongs to the stack check: `cmp 0x10(%r14),reg; jbe`, or for frames that may
/// wrap around `sub n,%r12; jb` before it.
fn is_stack_check(previous: Option<&Instruction>, branch: &Instruction) -> bool {
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

/// Asks the decoder's tables whether an argument register, or part of it, is or may be written.
fn changes_arguments(info: &mut InstructionInfoFactory, instruction: &Instruction) -> bool {
    info.info(instruction).used_registers().iter().any(|used| {
        let written = !matches!(
            used.access(),
            OpAccess::None | OpAccess::Read | OpAccess::CondRead | OpAccess::NoMemAccess
        );
        written && ARGUMENTS.contains(&used.register().full_register())
    })
}

/// Writes an instruction in AT&T syntax.
fn text(instruction: &Instruction) -> String {
    let mut formatter = GasFormatter::new();
    let options = formatter.options_mut();
    options.set_uppercase_hex(false);
    options.set_branch_leading_zeros(false);
    options.set_space_after_operand_separator(false);
    let mut text = String::new();
    formatter.format(instruction, &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECK: [u8; 4] = [0x49, 0x3b, 0x66, 0x10];
    const JBE: [u8; 2] = [0x76, 0x10];
    const PUSH: [u8; 1] = [0x55];
    const SUB_RSP: [u8; 4] = [0x48, 0x83, 0xec, 0x18];

    fn site(parts: &[&[u8]]) -> Result<(SiteKind, u64, String), Reason> {
        let (kind, instruction) = scan(&parts.concat(), 0x1000)?;
        Ok((kind, instruction.ip(), text(&instruction)))
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
