//! Addresses in x86-64 code.

use iced_x86::{Code, ConstantOffsets, Decoder, DecoderOptions, FlowControl, Instruction};

use super::{Masked, inside};

/// A near call or jump that leaves a function ends with its displacement.
const BRANCH_FIELD: usize = 4;

/// Clears the fields and collects the operands; `None` when the bytes are not instructions.
pub(super) fn mask(address: u64, code: &[u8], masked: &mut Masked) -> Option<()> {
    let mut decoder = Decoder::with_ip(64, code, address, DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    while decoder.can_decode() {
        let at = decoder.position();
        decoder.decode_out(&mut instruction);
        if instruction.code() == Code::INVALID {
            return None;
        }
        if instruction.is_ip_rel_memory_operand() {
            let fields: ConstantOffsets = decoder.get_constant_offsets(&instruction);
            let field = at.checked_add(fields.displacement_offset())?;
            masked.clear(field, u32::MAX)?;
            masked.operands.push(instruction.ip_rel_memory_address());
        } else if leaves(&instruction, address, code.len()) {
            let field = decoder.position().checked_sub(BRANCH_FIELD)?;
            masked.clear(field.max(at), u32::MAX)?;
        }
    }
    Some(())
}

fn leaves(instruction: &Instruction, address: u64, length: usize) -> bool {
    let near = matches!(
        instruction.flow_control(),
        FlowControl::Call | FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch
    );
    near && instruction.len() > BRANCH_FIELD
        && !inside(address, length, instruction.near_branch_target())
}

#[cfg(test)]
mod tests {
    use crate::image::Machine;
    use crate::tables::code::signature;

    /// `mov 0x10(%rip), %rax; cmpl $7, 0x20(%rip); call +0x30; jmp to the start; ret`.
    const CODE: [u8; 22] = [
        0x48, 0x8b, 0x05, 0x10, 0, 0, 0, 0x83, 0x3d, 0x20, 0, 0, 0, 7, 0xe8, 0x30, 0, 0, 0, 0xeb,
        0xeb, 0xc3,
    ];

    #[test]
    fn addresses_are_operands_and_no_part_of_the_hash() {
        let one = signature(Machine::Amd64, 0x1000, &CODE).unwrap();
        assert_eq!(one.operands, [0x1017, 0x102e]);
        let mut moved = CODE;
        (moved[3], moved[9], moved[15]) = (0x50, 0x60, 0x70);
        let two = signature(Machine::Amd64, 0x2000, &moved).unwrap();
        assert_eq!(two.operands, [0x2057, 0x206e]);
        assert_eq!(one.hash, two.hash);
        let mut other = CODE;
        other[13] = 8;
        assert_ne!(
            signature(Machine::Amd64, 0x1000, &other).unwrap().hash,
            one.hash
        );
    }

    #[test]
    fn bytes_that_are_no_instructions_have_no_signature() {
        assert_eq!(signature(Machine::Amd64, 0, &[0x06, 0x06]), None);
        assert_eq!(signature(Machine::Amd64, 0, &CODE[..16]), None);
    }
}
