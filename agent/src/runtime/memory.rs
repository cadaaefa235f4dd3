//! `process_vm_readv`: many places of another process's memory in one system call.

use std::{
    cell::{Cell, RefCell},
    io,
};

use super::ReadError;

/// Most places per call (`IOV_MAX`).
pub(super) const PLACES: usize = 1_024;

/// A place in a target: address and length in bytes.
pub(super) type Place = (u64, usize);

thread_local! {
    /// System calls made so far.
    static CALLS: Cell<u64> = const { Cell::new(0) };
    /// The places of a call as the kernel wants them.
    static REMOTE: RefCell<Vec<libc::iovec>> = const { RefCell::new(Vec::new()) };
}

/// How many times this thread has read another process's memory.
#[must_use]
pub fn calls() -> u64 {
    CALLS.get()
}

/// Copies all places, one behind the other and in their order; up to [`PLACES`] in one call, so that they
/// are of one moment as nearly as can be without stopping the process.
///
/// # Errors
/// `Denied`, `Unmapped` with the first address that failed, `Gone` when there is no such process.
pub(super) fn copy(pid: u32, places: &[Place], buffer: &mut Vec<u8>) -> Result<(), ReadError> {
    buffer.resize(length(places), 0);
    let mut rest = buffer.as_mut_slice();
    for places in places.chunks(PLACES) {
        let (part, later) = rest.split_at_mut(length(places));
        copy_at_once(pid, places, part)?;
        rest = later;
    }
    Ok(())
}

fn length(places: &[Place]) -> usize {
    places.iter().map(|(_, length)| length).sum()
}

fn copy_at_once(pid: u32, places: &[Place], buffer: &mut [u8]) -> Result<(), ReadError> {
    REMOTE.with_borrow_mut(|remote| {
        remote.clear();
        remote.extend(places.iter().map(|(address, length)| libc::iovec {
            iov_base: std::ptr::without_provenance_mut(
                usize::try_from(*address).unwrap_or(usize::MAX),
            ),
            iov_len: *length,
        }));
        call(pid, places, remote, buffer)
    })
}

/// Copies what `remote` describes, which are the places.
fn call(
    pid: u32,
    places: &[Place],
    remote: &[libc::iovec],
    buffer: &mut [u8],
) -> Result<(), ReadError> {
    let local = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    CALLS.set(CALLS.get().wrapping_add(1));
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
    match first_missing(places, copied) {
        Some(address) => Err(ReadError::Unmapped { pid, address }),
        None => Ok(()),
    }
}

/// The first address that a short copy did not reach.
fn first_missing(places: &[Place], copied: usize) -> Option<u64> {
    let mut left = copied;
    for (address, length) in places {
        match left.checked_sub(*length) {
            Some(rest) => left = rest,
            None => return Some(address.saturating_add(u64::try_from(left).unwrap_or_default())),
        }
    }
    None
}

fn failure(pid: u32, places: &[Place], source: io::Error) -> ReadError {
    match source.raw_os_error() {
        Some(libc::EPERM) => ReadError::Denied { pid },
        Some(libc::ESRCH) => ReadError::Gone {
            pid,
            reason: crate::discovery::RefusedReason::Exited,
        },
        Some(libc::EFAULT) => ReadError::Unmapped {
            pid,
            address: places.first().map_or(0, |(address, _)| *address),
        },
        _ => ReadError::Io { pid, source },
    }
}

/// Copied bytes as numbers: those past the end are 0, for plans make copies long enough.
#[derive(Clone, Copy, Debug)]
pub(super) struct Copied<'b>(pub(super) &'b [u8]);

impl<'b> Copied<'b> {
    /// The bytes from an offset on.
    pub(super) fn from(self, offset: usize) -> Self {
        Self(self.0.get(offset..).unwrap_or_default())
    }

    /// The number at an offset.
    pub(super) fn u64_at(self, offset: usize) -> u64 {
        u64::from_le_bytes(self.at(offset))
    }

    /// As [`Copied::u64_at`], for 32-bit numbers.
    pub(super) fn u32_at(self, offset: usize) -> u32 {
        u32::from_le_bytes(self.at(offset))
    }

    /// As [`Copied::u64_at`], for 16-bit numbers.
    pub(super) fn u16_at(self, offset: usize) -> u16 {
        u16::from_le_bytes(self.at(offset))
    }

    /// As many 64-bit numbers in a row, or as there are.
    pub(super) fn numbers(
        self,
        offset: usize,
        count: usize,
    ) -> impl Iterator<Item = u64> + use<'b> {
        let (numbers, _) = self.from(offset).0.as_chunks();
        numbers.iter().take(count).copied().map(u64::from_le_bytes)
    }

    fn at<const N: usize>(self, offset: usize) -> [u8; N] {
        self.from(offset).0.first_chunk().copied().unwrap_or([0; N])
    }
}

/// One number of a process.
#[cfg(test)]
pub(crate) fn copy_of(pid: u32, address: u64) -> Option<u64> {
    let mut bytes = Vec::new();
    copy(pid, &[(address, 8)], &mut bytes).ok()?;
    Some(Copied(&bytes).u64_at(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place_of<T>(value: &T) -> Place {
        let address = std::ptr::from_ref(value).addr();
        (u64::try_from(address).expect("fits"), size_of::<T>())
    }

    #[test]
    fn own_memory_reads_back() {
        let numbers: Vec<u64> = (0..3_000).collect();
        let places: Vec<Place> = numbers.iter().rev().map(place_of).collect();
        let (mut bytes, before) = (Vec::new(), calls());
        copy(std::process::id(), &places, &mut bytes).expect("own memory");
        assert_eq!(calls() - before, 3, "calls of 1,024 places");
        let copied: Vec<u64> = Copied(&bytes).numbers(0, 4_000).collect();
        assert!(copied.iter().eq(numbers.iter().rev()), "in their order");
    }

    #[test]
    fn numbers_of_all_widths_are_taken_from_anywhere_and_0_past_the_end() {
        let (first, second) = (0x1122_3344_u32, [5_u64, 6]);
        let mut bytes = Vec::new();
        let places = [place_of(&second), place_of(&first)];
        copy(std::process::id(), &places, &mut bytes).expect("own memory");
        let copied = Copied(&bytes);
        assert_eq!((copied.u64_at(8), copied.from(8).u64_at(0)), (6, 6));
        assert_eq!((copied.u32_at(16), copied.u16_at(17)), (first, 0x2233));
        assert_eq!((copied.u64_at(13), copied.from(99).u32_at(0)), (0, 0));
    }

    #[test]
    fn an_address_that_is_not_mapped_is_told() {
        let good = 7_u64;
        for places in [vec![place_of(&good), (8, 8)], vec![(8, 8)]] {
            let error = copy(std::process::id(), &places, &mut Vec::new()).expect_err("page 0");
            assert!(
                matches!(error, ReadError::Unmapped { address: 8, .. }),
                "{error}"
            );
        }
    }

    #[test]
    fn a_process_that_does_not_exist_is_gone() {
        let error = copy(u32::MAX, &[(8, 8)], &mut Vec::new()).expect_err("no such pid");
        assert_eq!(error.error_type(), "exited");
    }
}
