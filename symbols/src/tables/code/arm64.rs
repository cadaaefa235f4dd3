//! Addresses in arm64 code.

use super::{Masked, inside};

/// Opcode bits and value of the instructions that hold addresses.
const ADRP: (u32, u32) = (0x9f00_0000, 0x9000_0000);
const ADD: (u32, u32) = (0xffc0_0000, 0x9100_0000);
const LOAD_STORE: (u32, u32) = (0x3b00_0000, 0x3900_0000);
const BRANCH: (u32, u32) = (0x7c00_0000, 0x1400_0000);
/// Where the address is in them.
const ADRP_FIELD: u32 = 0x60ff_ffe0;
const LOW_FIELD: u32 = 0x003f_fc00;
const BRANCH_FIELD: u32 = 0x03ff_ffff;

/// Clears the fields and collects the operands; `None` when the code is no row of whole words.
pub(super) fn mask(address: u64, code: &[u8], masked: &mut Masked) -> Option<()> {
    if !code.len().is_multiple_of(4) {
        return None;
    }
    let mut words = code
        .chunks_exact(4)
        .map(|word| word.try_into().map_or(0, u32::from_le_bytes))
        .zip((0..).step_by(4))
        .peekable();
    while let Some((word, at)) = words.next() {
        let place = address.checked_add(u64::try_from(at).ok()?)?;
        if is(word, BRANCH) {
            let target = place.wrapping_add_signed(signed(word & BRANCH_FIELD, 26) << 2);
            if !inside(address, code.len(), target) {
                masked.clear(at, BRANCH_FIELD)?;
            }
        } else if is(word, ADRP) {
            masked.clear(at, ADRP_FIELD)?;
            let follows = words.peek().copied();
            if let Some((low, at)) = follows.and_then(|(next, at)| Some((low(word, next)?, at))) {
                words.next();
                masked.clear(at, LOW_FIELD)?;
                masked.operands.push(page(place, word).wrapping_add(low));
            }
        }
    }
    Some(())
}

fn is(word: u32, (bits, value): (u32, u32)) -> bool {
    word & bits == value
}

/// Answers the page that `adrp` at `place` names.
fn page(place: u64, word: u32) -> u64 {
    let high = (word >> 5) & 0x7_ffff;
    let pages = signed((high << 2) | ((word >> 29) & 3), 21);
    (place & !0xfff).wrapping_add_signed(pages << 12)
}

/// Reads the rest of the address when the instruction behind `adrp` completes it.
fn low(adrp: u32, next: u32) -> Option<u64> {
    let base = (next >> 5) & 31;
    if base != adrp & 31 {
        return None;
    }
    let immediate = u64::from((next & LOW_FIELD) >> 10);
    if is(next, ADD) {
        return Some(immediate);
    }
    if !is(next, LOAD_STORE) {
        return None;
    }
    // Vector registers of 16 bytes have the size bits of bytes.
    let vector = next & (1 << 26) != 0 && next & (1 << 23) != 0;
    let scale = if vector { 4 } else { next >> 30 };
    immediate.checked_shl(scale)
}

/// Reads the lowest `bits` of `field` as a number with a sign.
fn signed(field: u32, bits: u32) -> i64 {
    let unused = 64_u32.saturating_sub(bits);
    let shifted = u64::from(field).checked_shl(unused).unwrap_or(0);
    shifted.cast_signed().checked_shr(unused).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use crate::image::Machine;
    use crate::tables::code::signature;

    fn code(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn pairs_are_operands_and_no_part_of_the_hash() {
        // adrp x27, +1 page; add x0, x27, #0x120 / adrp x27, -1 page; ldr x1, [x27, #0x88] / bl +8 / ret
        let words = [
            0xb000_001b,
            0x9104_8360,
            0xf0ff_fffb,
            0xf940_4761,
            0x9400_0002,
            0xd65f_03c0,
        ];
        let one = signature(Machine::Arm64, 0x10000, &code(&words)).unwrap();
        assert_eq!(one.operands, [0x11120, 0xf088]);
        // The call leads out of the function: its distance is no part of the hash.
        let mut moved = words;
        (moved[0], moved[1], moved[4]) = (0xd000_001b, 0x9100_0360, 0x9400_0200);
        let two = signature(Machine::Arm64, 0x10000, &code(&moved)).unwrap();
        assert_eq!((two.hash, two.operands[0]), (one.hash, 0x12000));
        let mut other = words;
        other[3] = 0xf940_4762;
        assert_ne!(
            signature(Machine::Arm64, 0x10000, &code(&other))
                .unwrap()
                .hash,
            one.hash
        );
    }

    #[test]
    fn an_address_without_its_low_part_is_no_operand() {
        let found = signature(Machine::Arm64, 0, &code(&[0xb000_001b, 0xd65f_03c0])).unwrap();
        assert!(found.operands.is_empty());
        assert_eq!(signature(Machine::Arm64, 0, &[1, 2, 3]), None);
    }
}
