//! Where a function ends and the padding before the next one begins, on amd64.

use iced_x86::{Decoder, DecoderOptions, Instruction};

/// Padding byte between functions.
const INT3: u8 = 0xcc;
/// First byte of a two-byte jump, whose second byte may look like padding.
const SHORT_JUMP: u8 = 0xeb;
/// Longest function decoded to tell a jump from padding.
const MAX_DECODED: usize = 1 << 20;

/// Measures the instructions of a function that is padded up to the next one.
pub(super) fn body_length(padded: &[u8]) -> usize {
    let padding = padded
        .iter()
        .rev()
        .take_while(|&&byte| byte == INT3)
        .count();
    let length = padded.len().saturating_sub(padding);
    let last = length.checked_sub(1).and_then(|last| padded.get(last));
    if padding == 0 || last != Some(&SHORT_JUMP) || length > MAX_DECODED {
        return length;
    }
    // The byte is either the end of an instruction or the first half of a jump back by 52 bytes.
    let mut decoder = Decoder::new(64, padded, DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    while decoder.can_decode() && decoder.position() < length {
        decoder.decode_out(&mut instruction);
    }
    decoder.position().max(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_padding_is_taken_off() {
        assert_eq!(body_length(&[0x90, 0xc3, INT3, INT3]), 2);
        assert_eq!(body_length(&[0x90, 0xc3]), 2);
        assert_eq!(body_length(&[INT3, INT3]), 0);
        assert_eq!(body_length(&[]), 0);
    }

    #[test]
    fn a_short_jump_keeps_its_second_byte() {
        assert_eq!(body_length(&[0xeb, 0xcc, INT3, INT3]), 2);
        assert_eq!(body_length(&[0x90, 0xeb, 0xcc]), 3);
        // Here the jump ends with the byte that looks like the start of one.
        assert_eq!(body_length(&[0xeb, 0xeb, INT3, INT3]), 2);
    }
}
