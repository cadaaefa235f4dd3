//! The `bpf()` system call, for what aya 0.14 lacks.

use std::{
    io, mem,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

use aya_obj::generated::{bpf_attr, bpf_cmd, bpf_prog_info};

/// An attribute block with every byte zero, as the kernel wants unused fields.
pub(super) fn attributes() -> bpf_attr {
    // SAFETY: `bpf_attr` is a union of plain C structs, for which zero bytes are valid.
    unsafe { mem::zeroed() }
}

/// Calls `bpf()` with a command that returns a descriptor.
pub(super) fn bpf_fd(command: bpf_cmd, attributes: &mut bpf_attr) -> io::Result<OwnedFd> {
    let fd = bpf(command, attributes)?;
    // SAFETY: the kernel has just made this descriptor for us and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn bpf(command: bpf_cmd, attributes: &mut bpf_attr) -> io::Result<RawFd> {
    // SAFETY: `attributes` is valid for its size; pointers inside it outlive the call (callers).
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command as libc::c_long,
            std::ptr::from_mut(attributes),
            size_of::<bpf_attr>(),
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    RawFd::try_from(result).map_err(|_too_large| io::ErrorKind::InvalidData.into())
}

/// How often a program has run, by the kernel's own statistics; 0 unless they are enabled.
pub(super) fn run_count(program: BorrowedFd<'_>) -> io::Result<u64> {
    // SAFETY: plain C struct, zero bytes are valid.
    let mut info: bpf_prog_info = unsafe { mem::zeroed() };
    let mut attributes = attributes();
    attributes.info.bpf_fd = program.as_raw_fd().unsigned_abs();
    attributes.info.info = std::ptr::from_mut(&mut info) as u64;
    attributes.info.info_len = u32::try_from(size_of::<bpf_prog_info>()).unwrap_or(0);
    bpf(bpf_cmd::BPF_OBJ_GET_INFO_BY_FD, &mut attributes)?;
    Ok(info.run_cnt)
}
