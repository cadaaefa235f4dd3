//! Machine code with its addresses taken out: equal source and compiler give equal code in every program.

mod amd64;
mod arm64;

use crate::image::Machine;

/// A function body without the addresses that the linker wrote into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// FNV-1a, 64 bits, of the code with each address field zero, then of its length in 8 bytes.
    pub hash: u64,
    /// The data addresses that stood in the code, in the order of the instructions.
    pub operands: Vec<u64>,
}

/// Takes the addresses out of `code`, which begins at `address`; `None` when it cannot be decoded.
///
/// # Layout      amd64: the displacement of `%rip`, and of calls and jumps that leave the function;
///               arm64: `adrp` with the `add`, load or store behind it, `bl`, and `b` that leaves it
pub(super) fn signature(machine: Machine, address: u64, code: &[u8]) -> Option<Signature> {
    let mut masked = Masked {
        code: code.to_vec(),
        operands: Vec::new(),
    };
    match machine {
        Machine::Amd64 => amd64::mask(address, code, &mut masked)?,
        Machine::Arm64 => arm64::mask(address, code, &mut masked)?,
    }
    let length = u64::try_from(masked.code.len()).ok()?.to_le_bytes();
    Some(Signature {
        hash: hash(masked.code.iter().chain(&length)),
        operands: masked.operands,
    })
}

/// FNV-1a.
pub(crate) fn hash<'b>(bytes: impl Iterator<Item = &'b u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Code while its addresses are taken out.
#[derive(Debug)]
struct Masked {
    code: Vec<u8>,
    operands: Vec<u64>,
}

impl Masked {
    /// Clears `mask` in the four bytes at `at`.
    fn clear(&mut self, at: usize, mask: u32) -> Option<()> {
        let field = self.code.get_mut(at..at.checked_add(4)?)?;
        for (byte, mask) in field.iter_mut().zip(mask.to_le_bytes()) {
            *byte &= !mask;
        }
        Some(())
    }
}

/// Says whether `target` lies in the code of `length` bytes at `start`.
fn inside(start: u64, length: usize, target: u64) -> bool {
    target
        .checked_sub(start)
        .and_then(|distance| usize::try_from(distance).ok())
        .is_some_and(|distance| distance < length)
}
