//! Bounded little-endian reads: every accessor answers `None` outside the slice.

/// Reads `N` bytes at `at`.
pub(crate) fn array<const N: usize>(data: &[u8], at: usize) -> Option<[u8; N]> {
    data.get(at..at.checked_add(N)?)?.try_into().ok()
}

/// Reads a byte at `at`.
pub(crate) fn u8_at(data: &[u8], at: usize) -> Option<u8> {
    data.get(at).copied()
}

/// Reads a `u16` at `at`.
pub(crate) fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    array(data, at).map(u16::from_le_bytes)
}

/// Reads a `u32` at `at`.
pub(crate) fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    array(data, at).map(u32::from_le_bytes)
}

/// Reads a `u64` at `at`.
pub(crate) fn u64_at(data: &[u8], at: usize) -> Option<u64> {
    array(data, at).map(u64::from_le_bytes)
}

/// Takes `len` bytes at `at`, both as the file states them.
pub(crate) fn range(data: &[u8], at: u64, len: u64) -> Option<&[u8]> {
    let start = usize::try_from(at).ok()?;
    let end = start.checked_add(usize::try_from(len).ok()?)?;
    data.get(start..end)
}

/// Takes the bytes before the NUL that ends a string of at most `max` bytes.
pub(crate) fn c_str(data: &[u8], at: usize, max: usize) -> Option<&[u8]> {
    let rest = data.get(at..)?;
    let window = rest.get(..max.min(rest.len()))?;
    let end = window.iter().position(|&byte| byte == 0)?;
    window.get(..end)
}

/// Reads an unsigned LEB128 of at most five bytes; answers the value and its length.
pub(crate) fn varint(data: &[u8], at: usize) -> Option<(u32, usize)> {
    let mut value = 0_u32;
    for step in 0..5_u32 {
        let length = usize::try_from(step).ok()?;
        let byte = u8_at(data, at.checked_add(length)?)?;
        value |= u32::from(byte & 0x7f).checked_shl(step.checked_mul(7)?)?;
        if byte & 0x80 == 0 {
            return Some((value, length.checked_add(1)?));
        }
    }
    None
}

/// Lists where `needle` stands in `data` at addresses that are multiples of `align`; `data` begins at `base`.
pub(crate) fn find_aligned(
    data: &[u8],
    base: u64,
    needle: &[u8],
    align: usize,
) -> impl Iterator<Item = usize> {
    let over = usize::try_from(base)
        .ok()
        .and_then(|base| base.checked_rem(align))
        .unwrap_or(0);
    let first = align.saturating_sub(over).checked_rem(align).unwrap_or(0);
    let places = (first..data.len()).step_by(align.max(1));
    places.filter(move |&at| data.get(at..).is_some_and(|rest| rest.starts_with(needle)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_stop_at_the_end() {
        assert_eq!(u32_at(&[1, 0, 0, 0], 0), Some(1));
        assert_eq!(u32_at(&[1, 0, 0, 0], 1), None);
        assert_eq!(u64_at(&[0; 8], usize::MAX), None);
        assert_eq!(range(&[0; 8], u64::MAX, 1), None);
        assert_eq!(c_str(b"ab\0", 0, 8), Some(&b"ab"[..]));
        assert_eq!(c_str(b"abc", 0, 8), None);
        assert_eq!(c_str(b"abc\0", 0, 3), None);
    }

    #[test]
    fn alignment_counts_from_the_address() {
        let data = b"x.x.x...";
        assert_eq!(find_aligned(data, 0, b"x", 4).collect::<Vec<_>>(), [0, 4]);
        assert_eq!(find_aligned(data, 2, b"x", 4).collect::<Vec<_>>(), [2]);
        assert_eq!(find_aligned(b"", 2, b"x", 4).count(), 0);
    }

    #[test]
    fn varints_are_bounded() {
        assert_eq!(varint(&[0xac, 0x02], 0), Some((300, 2)));
        assert_eq!(varint(&[0xff; 9], 0), None);
        assert_eq!(varint(&[0x80], 0), None);
    }
}
