//! Copies many places of another process's memory into one buffer.

use std::io;

use crate::{discovery::RefusedReason, runtime::ReadError};

/// Most places per call (`IOV_MAX`).
pub(super) const PLACES: usize = 1_024;

/// A place in the target: address and length in bytes.
pub(super) type Place = (u64, usize);

/// Copies up to [`PLACES`] places, one behind the other, in their order and in one call.
///
/// # Errors
/// `Denied`, `Gone` when there is no such process, `Unmapped` with the first address that failed.
pub(super) fn gather(pid: u32, places: &[Place], buffer: &mut Vec<u8>) -> Result<(), ReadError> {
    let length = places.iter().map(|(_, length)| length).sum();
    buffer.resize(length, 0);
    let remote: Vec<libc::iovec> = places
        .iter()
        .map(|(address, length)| libc::iovec {
            iov_base: std::ptr::without_provenance_mut(
                usize::try_from(*address).unwrap_or(usize::MAX),
            ),
            iov_len: *length,
        })
        .collect();
    let local = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: length,
    };
    let count = libc::c_ulong::try_from(remote.len()).unwrap_or_default();
    let target = libc::pid_t::try_from(pid).unwrap_or(libc::pid_t::MAX);
    // SAFETY: `local` describes `buffer`, borrowed mutably until this function ends; the kernel writes no
    // further than its length. `remote` holds addresses of another process, which the kernel checks and
    // this process never follows.
    let copied =
        unsafe { libc::process_vm_readv(target, &raw const local, 1, remote.as_ptr(), count, 0) };
    let Ok(copied) = usize::try_from(copied) else {
        return Err(failure(pid, places, io::Error::last_os_error()));
    };
    if copied < length {
        return Err(ReadError::Unmapped {
            pid,
            address: first_missing(places, copied),
        });
    }
    Ok(())
}

/// The first address that a short copy did not reach.
fn first_missing(places: &[Place], copied: usize) -> u64 {
    let mut left = copied;
    for (address, length) in places {
        match left.checked_sub(*length) {
            Some(rest) => left = rest,
            None => return address.saturating_add(u64::try_from(left).unwrap_or_default()),
        }
    }
    0
}

fn failure(pid: u32, places: &[Place], source: io::Error) -> ReadError {
    match source.raw_os_error() {
        Some(libc::EPERM) => ReadError::Denied { pid },
        Some(libc::ESRCH) => ReadError::Gone {
            pid,
            reason: RefusedReason::Exited,
        },
        Some(libc::EFAULT) => ReadError::Unmapped {
            pid,
            address: places.first().map_or(0, |(address, _)| *address),
        },
        _ => ReadError::Io { pid, source },
    }
}

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
        u64::from_le_bytes(self.at(offset))
    }

    /// As [`Window::u64`], for 32-bit numbers.
    pub(super) fn u32(self, offset: u32) -> u32 {
        u32::from_le_bytes(self.at(offset))
    }

    /// As [`Window::u64`], for bytes.
    pub(super) fn u8(self, offset: u32) -> u8 {
        u8::from_le_bytes(self.at(offset))
    }

    fn at<const N: usize>(self, offset: u32) -> [u8; N] {
        let start = usize::try_from(offset.wrapping_sub(self.from)).unwrap_or(usize::MAX);
        let bytes = self.bytes.get(start..start.saturating_add(N));
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .unwrap_or([0; N])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place_of<T>(value: &T) -> Place {
        let address = std::ptr::from_ref(value).addr();
        (u64::try_from(address).expect("fits"), size_of::<T>())
    }

    #[test]
    fn places_are_copied_one_behind_the_other() {
        let (first, second) = (0x1122_3344_u32, [5_u64, 6]);
        let mut buffer = Vec::new();
        let places = [place_of(&second), place_of(&first)];
        gather(std::process::id(), &places, &mut buffer).expect("own memory");
        let window = Window {
            bytes: &buffer,
            from: 100,
        };
        assert_eq!((window.u64(100), window.u64(108)), (5, 6));
        assert_eq!((window.u32(116), window.u8(116)), (first, 0x44));
        assert_eq!((window.u64(117), window.u64(99)), (0, 0), "outside");
    }

    #[test]
    fn a_place_that_is_not_mapped_is_told() {
        let good = 7_u64;
        for places in [vec![place_of(&good), (8, 8)], vec![(8, 8)]] {
            let error = gather(std::process::id(), &places, &mut Vec::new()).expect_err("page 0");
            assert!(
                matches!(error, ReadError::Unmapped { address: 8, .. }),
                "{error}"
            );
        }
        let error = gather(u32::MAX, &[(8, 8)], &mut Vec::new()).expect_err("no such pid");
        assert_eq!(error.error_type(), "exited");
    }
}
