//! Where a function ends and the padding before the next one begins.

use iced_x86::{Decoder, DecoderOptions, Instruction};

use crate::budget::{Budget, Exhausted};
use crate::image::Machine;

/// Padding byte between functions on amd64.
const INT3: u8 = 0xcc;
/// First byte of a two-byte jump, whose second byte may look like padding.
const SHORT_JUMP: u8 = 0xeb;
/// Longest function decoded to tell a jump from padding.
const MAX_DECODED: usize = 1 << 20;

/// Measures a function that is padded up to the next one.
pub(super) fn body_length(
    padded: &[u8],
    machine: Machine,
    budget: &Budget,
) -> Result<usize, Exhausted> {
    match machine {
        Machine::Amd64 => without_traps(padded, budget),
        Machine::Arm64 => without_zeros(padded, budget),
    }
}

/// Takes off the zero words between functions on arm64.
///
/// A zero word is no instruction, but a pool of constants may end with some: such a function comes out
/// short by them, and no instruction is lost.
fn without_zeros(padded: &[u8], budget: &Budget) -> Result<usize, Exhausted> {
    let words = padded.chunks_exact(4).rev();
    let zeros = words.take_while(|word| *word == [0; 4]).count();
    budget.search(zeros)?;
    Ok(padded.len().saturating_sub(zeros.saturating_mul(4)))
}

fn without_traps(padded: &[u8], budget: &Budget) -> Result<usize, Exhausted> {
    let padding = padded
        .iter()
        .rev()
        .take_while(|&&byte| byte == INT3)
        .count();
    budget.search(padding)?;
    let length = padded.len().saturating_sub(padding);
    let last = length.checked_sub(1).and_then(|last| padded.get(last));
    if padding == 0 || last != Some(&SHORT_JUMP) || length > MAX_DECODED {
        return Ok(length);
    }
    budget.steps(length as u64)?;
    // The byte is either the end of an instruction or the first half of a jump back by 52 bytes.
    let mut decoder = Decoder::new(64, padded, DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    while decoder.can_decode() && decoder.position() < length {
        decoder.decode_out(&mut instruction);
    }
    Ok(decoder.position().max(length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Limits;

    fn length(padded: &[u8], machine: Machine) -> usize {
        body_length(padded, machine, &Budget::new(Limits::default())).unwrap()
    }

    fn amd(padded: &[u8]) -> usize {
        length(padded, Machine::Amd64)
    }

    #[test]
    fn only_padding_is_taken_off() {
        assert_eq!(amd(&[0x90, 0xc3, INT3, INT3]), 2);
        assert_eq!(amd(&[0x90, 0xc3]), 2);
        assert_eq!(amd(&[INT3, INT3]), 0);
        assert_eq!(amd(&[]), 0);
    }

    #[test]
    fn a_short_jump_keeps_its_second_byte() {
        assert_eq!(amd(&[0xeb, 0xcc, INT3, INT3]), 2);
        assert_eq!(amd(&[0x90, 0xeb, 0xcc]), 3);
        // Here the jump ends with the byte that looks like the start of one.
        assert_eq!(amd(&[0xeb, 0xeb, INT3, INT3]), 2);
    }

    #[test]
    fn zero_words_are_padding_on_arm64() {
        let arm = |words: &[u32]| {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            length(&bytes, Machine::Arm64)
        };
        assert_eq!(arm(&[0xd65f_03c0, 0, 0]), 4);
        assert_eq!(arm(&[0, 0xd65f_03c0]), 8);
        assert_eq!(arm(&[0]), 0);
        assert_eq!(arm(&[]), 0);
    }
}
