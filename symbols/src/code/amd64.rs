//! What the crate asks of amd64 instructions.
//!
//! # Source     `arch/x86/kernel/uprobes.c`: which instructions are emulated

use iced_x86::{
    Code, FlowControl, Formatter, GasFormatter, Instruction, InstructionInfoFactory, Mnemonic,
    OpAccess, OpKind, Register,
};

use super::effect::{Effect, Move, Registers, StackWrite};
use super::step::Flow;

/// Says where execution goes.
pub(super) fn flow(instruction: &Instruction) -> Flow {
    let target = || {
        (instruction.op0_kind() == OpKind::NearBranch64).then(|| instruction.near_branch_target())
    };
    match instruction.flow_control() {
        FlowControl::Next => Flow::Next,
        // iced counts system calls as calls.
        FlowControl::Call if instruction.mnemonic() == Mnemonic::Syscall => Flow::Next,
        FlowControl::Call | FlowControl::IndirectCall => Flow::Call(target()),
        FlowControl::ConditionalBranch => target().map_or(Flow::Jump(None), Flow::Branch),
        FlowControl::UnconditionalBranch
        | FlowControl::IndirectBranch
        | FlowControl::XbeginXabortXend => Flow::Jump(target()),
        FlowControl::Return => Flow::Return,
        FlowControl::Interrupt | FlowControl::Exception => Flow::Stop,
    }
}

/// Says whether the kernel emulates the instruction: relative calls, jumps and branches, `push` of a
/// register, and `nop`. With prefixes some kernels refuse them, so these do not count.
pub(super) fn is_emulated(instruction: &Instruction) -> bool {
    let length = instruction.len();
    match instruction.code() {
        Code::Call_rel32_64 | Code::Jmp_rel32_64 => length == 5,
        Code::Jmp_rel8_64 => length == 2,
        Code::Push_r64 => {
            let extended = matches!(
                instruction.op0_register(),
                Register::R8
                    | Register::R9
                    | Register::R10
                    | Register::R11
                    | Register::R12
                    | Register::R13
                    | Register::R14
                    | Register::R15
            );
            length == if extended { 2 } else { 1 }
        }
        Code::Nopd => length == 1,
        _ if instruction.is_jcc_short() => length == 2,
        _ if instruction.is_jcc_near() => length == 6,
        _ => false,
    }
}

/// Says what changes. All of an instruction's operands count, also those that are written only sometimes.
pub(super) fn effect(instruction: &Instruction) -> Effect {
    let mut factory = InstructionInfoFactory::new();
    let info = factory.info(instruction);
    let written = info
        .used_registers()
        .iter()
        .filter(|used| is_write(used.access()))
        .filter_map(|used| number(used.register()))
        .fold(Registers::default(), |all, number| {
            all.with(Registers::of(number))
        });
    let mut stack = StackWrite::None;
    for memory in info
        .used_memory()
        .iter()
        .filter(|memory| is_write(memory.access()))
    {
        let known = memory.base() == Register::RSP && memory.index() == Register::None;
        stack = match (stack, i64::try_from(memory.memory_size().size())) {
            (StackWrite::None, Ok(length)) if known && length > 0 => StackWrite::Bytes {
                slot: memory.displacement().cast_signed(),
                length,
            },
            _ => StackWrite::Anywhere,
        };
    }
    let moved_stack =
        number(Register::RSP).is_some_and(|rsp| written.intersects(Registers::of(rsp)));
    Effect {
        written,
        stack: if moved_stack {
            StackWrite::Anywhere
        } else {
            stack
        },
        moves: [moved(instruction), None],
    }
}

/// Recognises `mov` of 64 bits between registers and stack.
fn moved(instruction: &Instruction) -> Option<Move> {
    if !matches!(instruction.code(), Code::Mov_r64_rm64 | Code::Mov_rm64_r64) {
        return None;
    }
    let slot = || {
        let plain = instruction.memory_base() == Register::RSP
            && instruction.memory_index() == Register::None
            && instruction.segment_prefix() == Register::None;
        plain.then(|| instruction.memory_displacement64().cast_signed())
    };
    let registers = (
        number(instruction.op0_register()),
        number(instruction.op1_register()),
    );
    match (instruction.op0_kind(), instruction.op1_kind(), registers) {
        (OpKind::Register, OpKind::Register, (Some(to), Some(from))) => {
            Some(Move::Copy { from, to })
        }
        (OpKind::Memory, OpKind::Register, (_, Some(from))) => Some(Move::Spill {
            from,
            slot: slot()?,
        }),
        (OpKind::Register, OpKind::Memory, (Some(to), _)) => {
            Some(Move::Reload { slot: slot()?, to })
        }
        _ => None,
    }
}

fn is_write(access: OpAccess) -> bool {
    !matches!(
        access,
        OpAccess::None | OpAccess::Read | OpAccess::CondRead | OpAccess::NoMemAccess
    )
}

/// Answers the number of the general register that `register` is part of.
fn number(register: Register) -> Option<u32> {
    let full = register.full_register();
    full.is_gpr64()
        .then(|| u32::try_from(full.number()).ok())
        .flatten()
}

/// Writes an instruction in AT&T syntax.
pub(super) fn text(instruction: &Instruction) -> String {
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
    use super::super::{Body, steps};
    use super::*;
    use crate::image::Machine;

    fn decode(code: &[u8]) -> Instruction {
        let body = Body {
            code,
            address: 0x1000,
        };
        let first = steps(Machine::Amd64, body).next().unwrap().unwrap();
        *first.amd64().unwrap()
    }

    #[test]
    fn only_what_every_kernel_emulates_counts() {
        for emulated in [
            &[0xe8, 0, 0, 0, 0][..],
            &[0xe9, 0, 0, 0, 0],
            &[0xeb, 0],
            &[0x76, 0],
            &[0x0f, 0x84, 0, 0, 0, 0],
            &[0x55],
            &[0x41, 0x54],
            &[0x90],
        ] {
            assert!(is_emulated(&decode(emulated)), "{emulated:x?}");
        }
        for other in [
            &[0xff, 0xd0][..],      // call *%rax
            &[0xff, 0xe0],          // jmp *%rax
            &[0xc3],                // ret
            &[0x68, 0, 0, 0, 0],    // push $0
            &[0x66, 0x90],          // xchg %ax,%ax
            &[0xf3, 0x90],          // pause
            &[0x40, 0x55],          // push %rbp with a prefix
            &[0x48, 0x83, 0xec, 8], // sub $8,%rsp
            &[0x0f, 0x1f, 0x40, 0], // nopl
        ] {
            assert!(!is_emulated(&decode(other)), "{other:x?}");
        }
    }

    #[test]
    fn flows_name_their_targets() {
        for (code, expected) in [
            (
                &[0xe8, 0xfb, 0xff, 0xff, 0xff][..],
                Flow::Call(Some(0x1000)),
            ),
            (&[0xeb, 0x0e], Flow::Jump(Some(0x1010))),
            (&[0x74, 0x0e], Flow::Branch(0x1010)),
            (&[0xff, 0xd0], Flow::Call(None)),
            (&[0xff, 0xe0], Flow::Jump(None)),
            (&[0xc3], Flow::Return),
            (&[0x0f, 0x0b], Flow::Stop),
            (&[0xcc], Flow::Stop),
            (&[0x0f, 0x05], Flow::Next),
            (&[0x90], Flow::Next),
        ] {
            assert_eq!(flow(&decode(code)), expected, "{code:x?}");
        }
    }

    #[test]
    fn moves_are_those_of_whole_registers() {
        let (rax, rcx) = (0, 1);
        for (code, expected) in [
            (
                &[0x48, 0x89, 0xc1][..],
                Some(Move::Copy { from: rax, to: rcx }),
            ),
            (
                &[0x48, 0x89, 0x44, 0x24, 0x18],
                Some(Move::Spill {
                    from: rax,
                    slot: 24,
                }),
            ),
            (
                &[0x48, 0x8b, 0x4c, 0x24, 0xf8],
                Some(Move::Reload { slot: -8, to: rcx }),
            ),
            (&[0x89, 0xc1], None),                   // mov %eax,%ecx
            (&[0x48, 0x89, 0x44, 0xcc, 0x18], None), // mov %rax,24(%rsp,%rcx,8)
            (&[0x48, 0x89, 0x01], None),             // mov %rax,(%rcx)
        ] {
            assert_eq!(effect(&decode(code)).moves[0], expected, "{code:x?}");
        }
    }

    #[test]
    fn writes_to_the_stack_are_seen() {
        let bytes = |slot, length| StackWrite::Bytes { slot, length };
        for (code, expected) in [
            (&[0x48, 0x89, 0x44, 0x24, 0x18][..], bytes(24, 8)),
            (&[0xc6, 0x44, 0x24, 0x07, 1], bytes(7, 1)), // movb $1,7(%rsp)
            (&[0x0f, 0x11, 0x44, 0x24, 0x10], bytes(16, 16)), // movups %xmm0,16(%rsp)
            (&[0x48, 0x89, 0x01], StackWrite::Anywhere), // mov %rax,(%rcx)
            (&[0x48, 0x83, 0xec, 8], StackWrite::Anywhere), // sub $8,%rsp
            (&[0x48, 0x39, 0x44, 0x24, 0x18], StackWrite::None), // cmp %rax,24(%rsp)
        ] {
            assert_eq!(effect(&decode(code)).stack, expected, "{code:x?}");
        }
        assert_eq!(effect(&decode(&[0x31, 0xc0])).written, Registers::of(0));
    }
}
