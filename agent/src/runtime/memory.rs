//! `process_vm_readv`: many pieces of another process's memory in one system call.

use std::{cell::Cell, io};

use super::ReadError;

/// Most pieces per call (`IOV_MAX`).
const PIECES: usize = 1_024;

/// A piece of a target's memory and the place it is copied to.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    /// Address in the target.
    pub(super) address: u64,
    bytes: Vec<u8>,
}

impl Piece {
    pub(super) fn new(address: u64, length: usize) -> Self {
        Self {
            address,
            bytes: vec![0; length],
        }
    }

    /// The number at an offset, 0 past the end; plans make pieces long enough.
    pub(super) fn u64_at(&self, offset: usize) -> u64 {
        u64::from_le_bytes(self.at(offset))
    }

    /// As [`Piece::u64_at`], for 32-bit numbers.
    pub(super) fn u32_at(&self, offset: usize) -> u32 {
        u32::from_le_bytes(self.at(offset))
    }

    /// As [`Piece::u64_at`], for 16-bit numbers.
    pub(super) fn u16_at(&self, offset: usize) -> u16 {
        u16::from_le_bytes(self.at(offset))
    }

    fn at<const N: usize>(&self, offset: usize) -> [u8; N] {
        self.bytes
            .get(offset..offset.saturating_add(N))
            .and_then(|bytes| bytes.try_into().ok())
            .unwrap_or([0; N])
    }
}

thread_local! {
    /// System calls made so far.
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

/// How many times this thread has read another process's memory.
#[must_use]
pub fn calls() -> u64 {
    CALLS.get()
}

/// Copies all pieces, in their order; up to 1,024 in one call, so that they are of one moment as
/// nearly as can be without stopping the process.
///
/// # Errors
/// `Denied`, `Unmapped` with the first address that failed, `Gone` when there is no such process.
pub(super) fn read(pid: u32, pieces: &mut [&mut Piece]) -> Result<(), ReadError> {
    pieces
        .chunks_mut(PIECES)
        .try_for_each(|chunk| read_chunk(pid, chunk))
}

fn read_chunk(pid: u32, pieces: &mut [&mut Piece]) -> Result<(), ReadError> {
    let remote: Vec<libc::iovec> = pieces
        .iter()
        .map(|piece| libc::iovec {
            iov_base: std::ptr::without_provenance_mut(
                usize::try_from(piece.address).unwrap_or(usize::MAX),
            ),
            iov_len: piece.bytes.len(),
        })
        .collect();
    let local: Vec<libc::iovec> = pieces
        .iter_mut()
        .map(|piece| libc::iovec {
            iov_base: piece.bytes.as_mut_ptr().cast(),
            iov_len: piece.bytes.len(),
        })
        .collect();
    CALLS.set(CALLS.get().wrapping_add(1));
    let count = libc::c_ulong::try_from(local.len()).unwrap_or_default();
    let target = libc::pid_t::try_from(pid).unwrap_or(libc::pid_t::MAX);
    // SAFETY: `local` describes the buffers that `pieces` borrows mutably until this function ends;
    // the kernel writes no further than their lengths. `remote` holds addresses of another process,
    // which the kernel checks and this process never follows.
    let copied =
        unsafe { libc::process_vm_readv(target, local.as_ptr(), count, remote.as_ptr(), count, 0) };
    let Ok(copied) = usize::try_from(copied) else {
        return Err(failure(pid, pieces, io::Error::last_os_error()));
    };
    match first_missing(pieces, copied) {
        Some(address) => Err(ReadError::Unmapped { pid, address }),
        None => Ok(()),
    }
}

/// The first address that a short copy did not reach.
fn first_missing(pieces: &[&mut Piece], copied: usize) -> Option<u64> {
    let mut left = copied;
    for piece in pieces {
        if left < piece.bytes.len() {
            let reached = u64::try_from(left).unwrap_or_default();
            return Some(piece.address.saturating_add(reached));
        }
        left -= piece.bytes.len();
    }
    None
}

fn failure(pid: u32, pieces: &[&mut Piece], source: io::Error) -> ReadError {
    match source.raw_os_error() {
        Some(libc::EPERM) => ReadError::Denied { pid },
        Some(libc::ESRCH) => ReadError::Gone {
            pid,
            reason: crate::discovery::RefusedReason::Exited,
        },
        Some(libc::EFAULT) => ReadError::Unmapped {
            pid,
            address: pieces.first().map_or(0, |piece| piece.address),
        },
        _ => ReadError::Io { pid, source },
    }
}

/// One number of a process.
#[cfg(test)]
pub(crate) fn copy_of(pid: u32, address: u64) -> Option<u64> {
    let mut piece = Piece::new(address, 8);
    read(pid, &mut [&mut piece]).ok()?;
    Some(piece.u64_at(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece_of<T>(value: &T) -> Piece {
        let address = std::ptr::from_ref(value).addr();
        Piece::new(u64::try_from(address).expect("fits"), size_of::<T>())
    }

    #[test]
    fn own_memory_reads_back() {
        let numbers: Vec<u64> = (0..3_000).collect();
        let mut pieces: Vec<Piece> = numbers.iter().map(piece_of).collect();
        let mut order: Vec<&mut Piece> = pieces.iter_mut().collect();
        read(std::process::id(), &mut order).expect("own memory");
        for (expected, piece) in numbers.iter().zip(&pieces) {
            assert_eq!(piece.u64_at(0), *expected);
        }
        assert_eq!(pieces[1].u64_at(1), 0, "past the end");
    }

    #[test]
    fn an_address_that_is_not_mapped_is_told() {
        let number = 7_u64;
        let (mut good, mut bad) = (piece_of(&number), Piece::new(8, 8));
        let error = read(std::process::id(), &mut [&mut good, &mut bad]).expect_err("page 0");
        assert!(
            matches!(error, ReadError::Unmapped { address: 8, .. }),
            "{error}"
        );
        let error = read(std::process::id(), &mut [&mut bad]).expect_err("page 0");
        assert!(
            matches!(error, ReadError::Unmapped { address: 8, .. }),
            "{error}"
        );
    }

    #[test]
    fn a_process_that_does_not_exist_is_gone() {
        let error = read(u32::MAX, &mut [&mut Piece::new(8, 8)]).expect_err("no such pid");
        assert_eq!(error.error_type(), "exited");
    }
}
