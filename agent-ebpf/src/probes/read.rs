//! Every read of a target's memory: typed, bounded, failing as a value.

use agent_ebpf::{counter::Counter, offsets::UNKNOWN};
use aya_ebpf::helpers::{bpf_probe_read_user, generated};

use super::maps::count;

/// Address of a field, or [`Counter::NoOffset`].
#[inline(always)]
pub(super) fn field(base: u64, offset: u32) -> Result<u64, Counter> {
    if offset == UNKNOWN {
        Err(Counter::NoOffset)
    } else {
        Ok(base + u64::from(offset))
    }
}

/// Plain integers and arrays of them: any bytes are a value.
pub(super) trait Plain: Copy {}
impl Plain for u8 {}
impl Plain for u16 {}
impl Plain for u32 {}
impl Plain for i32 {}
impl Plain for u64 {}
impl Plain for i64 {}
impl<T: Plain, const N: usize> Plain for [T; N] {}

/// Copies one value out of the target.
#[inline(always)]
pub(super) fn value<T: Plain>(address: u64) -> Result<T, Counter> {
    // SAFETY: the helper checks the address; `Plain` types have no invalid bytes.
    unsafe { bpf_probe_read_user(address as *const T) }.map_err(|_errno| Counter::ReadFailed)
}

/// Copies one field out of the target.
#[inline(always)]
pub(super) fn at<T: Plain>(base: u64, offset: u32) -> Result<T, Counter> {
    value(field(base, offset)?)
}

/// Copies up to `limit` bytes to `destination` and returns how many.
///
/// `limit` must be a constant at the call and the destination at least as long: the verifier checks.
#[inline(always)]
pub(super) fn bytes(
    destination: *mut u8,
    limit: u32,
    source: u64,
    length: u64,
) -> Result<u32, Counter> {
    let wanted = if length > u64::from(limit) {
        u64::from(limit)
    } else {
        length
    };
    if wanted == 0 {
        return Ok(0);
    }
    // SAFETY: at most `limit` bytes are written, which the caller owns; the helper checks the source.
    let failed = unsafe {
        generated::bpf_probe_read_user(destination.cast(), wanted as u32, source as *const _)
    };
    if failed == 0 {
        Ok(wanted as u32)
    } else {
        Err(Counter::ReadFailed)
    }
}

/// Copies the start of the Go string in a field and returns its full length.
#[inline(always)]
pub(super) fn string<const N: usize>(
    destination: &mut [u8; N],
    base: u64,
    offset: u32,
) -> Result<u32, Counter> {
    let [pointer, length] = at::<[u64; 2]>(base, offset)?;
    bytes(destination.as_mut_ptr(), N as u32, pointer, length)?;
    Ok(length as u32)
}

/// Like [`string`], but a text that cannot be read is counted and left empty: its page may have been
/// moved or swapped out, which is no reason to lose the record.
#[inline(always)]
pub(super) fn text<const N: usize>(destination: &mut [u8; N], base: u64, offset: u32) -> u32 {
    string(destination, base, offset).unwrap_or_else(|counter| {
        count(counter);
        0
    })
}
