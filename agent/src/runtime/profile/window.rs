//! A struct of the target, as far as it was copied.

use crate::runtime::memory::Copied;

/// Copied bytes of a struct, from one of its fields on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window<'b> {
    pub(super) bytes: &'b [u8],
    /// Offset of the first byte in the struct.
    pub(super) from: u32,
}

impl Window<'_> {
    /// The number at an offset in the struct, 0 outside the window; windows are made wide enough.
    pub(super) fn u64(self, offset: u32) -> u64 {
        Copied(self.bytes).u64_at(self.start(offset))
    }

    /// As [`Window::u64`], for 32-bit numbers.
    pub(super) fn u32(self, offset: u32) -> u32 {
        Copied(self.bytes).u32_at(self.start(offset))
    }

    /// As [`Window::u64`], for bytes.
    pub(super) fn u8(self, offset: u32) -> u8 {
        self.bytes.get(self.start(offset)).copied().unwrap_or(0)
    }

    fn start(self, offset: u32) -> usize {
        usize::try_from(offset.wrapping_sub(self.from)).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_taken_by_their_offset_in_the_struct() {
        let bytes: Vec<u8> = (0..16).collect();
        let window = Window {
            bytes: &bytes,
            from: 100,
        };
        assert_eq!(window.u64(108), 0x0f0e_0d0c_0b0a_0908);
        assert_eq!((window.u32(104), window.u8(115)), (0x0706_0504, 15));
        assert_eq!(
            (window.u64(109), window.u64(99), window.u8(116)),
            (0, 0, 0),
            "outside"
        );
    }
}
