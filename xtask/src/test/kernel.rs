//! What the root tests need, probed before anything is built.

use std::{
    ffi::{CStr, c_long},
    io,
    os::fd::{FromRawFd, OwnedFd, RawFd},
};

use crate::run::is_root;

const BPF_PROG_LOAD: c_long = 5;
const BPF_LINK_CREATE: c_long = 28;
const BPF_PROG_TYPE_KPROBE: u32 = 2;
const BPF_TRACE_UPROBE_MULTI: u32 = 48;

/// Everything that is missing, each as the end of a sentence; empty on a fit machine.
pub(crate) fn missing() -> Vec<String> {
    if !is_root() {
        return vec!["root: run `sudo -E env PATH=$PATH cargo xtask test`".to_owned()];
    }
    let program = match load() {
        Ok(program) => program,
        Err(error) => return vec![format!("eBPF, but loading a program failed: {error}")],
    };
    match has_uprobe_multi(&program) {
        true => Vec::new(),
        false => vec!["uprobe_multi links: Linux 6.6 or newer".to_owned()],
    }
}

/// The start of the kernel's `bpf_attr` for BPF_PROG_LOAD.
#[repr(C)]
#[derive(Default)]
struct ProgLoad {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
    prog_ifindex: u32,
    expected_attach_type: u32,
}

/// The start of the kernel's `bpf_attr` for BPF_LINK_CREATE with a uprobe_multi part.
#[repr(C)]
#[derive(Default)]
struct LinkCreate {
    prog_fd: u32,
    target_fd: u32,
    attach_type: u32,
    flags: u32,
    path: u64,
    offsets: u64,
    ref_ctr_offsets: u64,
    cookies: u64,
    cnt: u32,
    multi_flags: u32,
    pid: u32,
    _pad: u32,
}

fn address(bytes: *const impl Sized) -> u64 {
    bytes.addr() as u64
}

/// Loads `r0 = 0; exit` as a program for uprobe_multi.
fn load() -> io::Result<OwnedFd> {
    const CODE: [u64; 2] = [0xb7, 0x95];
    const LICENSE: &CStr = c"GPL";
    let mut attr = ProgLoad {
        prog_type: BPF_PROG_TYPE_KPROBE,
        insn_cnt: 2,
        insns: address(CODE.as_ptr()),
        license: address(LICENSE.as_ptr()),
        expected_attach_type: BPF_TRACE_UPROBE_MULTI,
        ..ProgLoad::default()
    };
    let fd = bpf(BPF_PROG_LOAD, &raw mut attr, size_of::<ProgLoad>())?;
    // SAFETY: the kernel has just returned this descriptor to us and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Asks for a link on a directory: a kernel with uprobe_multi says EBADF, one without says EINVAL.
///
/// Linux 6.1 accepts the program, so only the link tells.
fn has_uprobe_multi(program: &OwnedFd) -> bool {
    use std::os::fd::AsRawFd;
    const PATH: &CStr = c"/";
    let offsets = [0_u64];
    let mut attr = LinkCreate {
        prog_fd: program.as_raw_fd().cast_unsigned(),
        attach_type: BPF_TRACE_UPROBE_MULTI,
        path: address(PATH.as_ptr()),
        offsets: address(offsets.as_ptr()),
        cnt: 1,
        ..LinkCreate::default()
    };
    match bpf(BPF_LINK_CREATE, &raw mut attr, size_of::<LinkCreate>()) {
        Ok(_) => true,
        Err(error) => error.raw_os_error() == Some(libc::EBADF),
    }
}

fn bpf<T>(command: c_long, attr: *mut T, size: usize) -> io::Result<RawFd> {
    // SAFETY: `attr` points at `size` bytes laid out as the kernel's `bpf_attr` of this command, and
    // the buffers it points at live until the call returns.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, command, attr, size) };
    match RawFd::try_from(fd) {
        Ok(fd) if fd >= 0 => Ok(fd),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_have_the_kernel_s_layout() {
        assert_eq!(std::mem::offset_of!(ProgLoad, expected_attach_type), 68);
        assert_eq!(std::mem::offset_of!(LinkCreate, path), 16);
        assert_eq!(std::mem::offset_of!(LinkCreate, pid), 56);
    }
}
