//! Proves on the agent itself how `uprobe_multi` treats a pid.
//!
//! Kernels 6.6 to 6.9 match one thread only; some match a forked child as well. So the agent links a
//! counter to a function of its own and calls it from two threads and from a forked child.

use std::{
    arch::global_asm,
    ffi::CString,
    fs, io,
    os::fd::{AsRawFd, OwnedFd},
};

use super::multi::{self, Whose};

// One byte of `nop` is emulated on every kernel, so the proof costs microseconds.
global_asm!(
    ".globl golens_self_test",
    ".type golens_self_test, @function",
    "golens_self_test:",
    "nop",
    "ret",
    ".size golens_self_test, . - golens_self_test",
);

unsafe extern "C" {
    fn golens_self_test();
}

/// What a link with a pid sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PidFilter {
    /// All threads of the process and nobody else: one link per process is right.
    Process,
    /// Something else: links must go by file.
    Unusable,
}

/// Hits wanted: this thread and a second one, but not the child.
const OWN_HITS: u64 = 2;

/// Runs the proof with a loaded `self_test` program; `hits` reads its counter.
pub(super) fn pid_filter(
    program: &OwnedFd,
    hits: impl Fn() -> io::Result<u64>,
) -> io::Result<PidFilter> {
    let exe = fs::File::open("/proc/self/exe")?;
    let path = CString::new(format!("/proc/self/fd/{}", exe.as_raw_fd()))?;
    let offset = own_file_offset(golens_self_test as *const () as u64)?;
    let link = multi::link(
        program,
        &path,
        &[offset],
        Whose::Process {
            pid: std::process::id(),
            generation: 0,
        },
    )?;
    call();
    std::thread::scope(|scope| {
        scope.spawn(call);
    });
    call_in_child()?;
    drop(link);
    Ok(if hits()? == OWN_HITS {
        PidFilter::Process
    } else {
        PidFilter::Unusable
    })
}

fn call() {
    // SAFETY: the function is `nop; ret`.
    unsafe { golens_self_test() }
}

fn call_in_child() -> io::Result<()> {
    // SAFETY: the child only calls `nop; ret` and `_exit`, both safe after fork with threads.
    let child = unsafe { libc::fork() };
    match child {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            call();
            // SAFETY: ends the child without running anything of the parent's.
            unsafe { libc::_exit(0) }
        }
        _ => {
            let mut status = 0;
            // SAFETY: `status` is writable; `child` is ours and not reaped elsewhere.
            match unsafe { libc::waitpid(child, &raw mut status, 0) } {
                -1 => Err(io::Error::last_os_error()),
                _ => Ok(()),
            }
        }
    }
}

/// Offset in the agent's own file of code at `address`.
fn own_file_offset(address: u64) -> io::Result<u64> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    maps.lines()
        .find_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let (start, end) = fields.next()?.split_once('-')?;
            let start = u64::from_str_radix(start, 16).ok()?;
            let end = u64::from_str_radix(end, 16).ok()?;
            let offset = u64::from_str_radix(fields.nth(1)?, 16).ok()?;
            (start..end)
                .contains(&address)
                .then(|| address - start + offset)
        })
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                "own code is not in /proc/self/maps",
            )
        })
}
