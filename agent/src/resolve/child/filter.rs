//! The system calls that reading a mapped file takes; any other ends the process.

use std::io;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

/// Allowed with any arguments: memory, the descriptors that are open, time, random numbers for hash
/// tables, the process's own signal handling and its end.
const ALLOWED: [libc::c_long; 23] = [
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_read,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_pwrite64,
    libc::SYS_ftruncate,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_futex,
    libc::SYS_clock_gettime,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Installs the filter. No call can widen it afterwards.
///
/// # Errors
/// When the kernel has no seccomp filters, or this machine's calls are not known.
pub(super) fn install() -> io::Result<()> {
    let program = program().map_err(io::Error::other)?;
    seccompiler::apply_filter(&program).map_err(io::Error::other)
}

fn program() -> Result<BpfProgram, seccompiler::BackendError> {
    let always = ALLOWED.iter().map(|call| (*call, Vec::new()));
    let sometimes = [
        // Memory, but never code.
        (libc::SYS_mmap, vec![without(2, libc::PROT_EXEC)?]),
        // `abort` sends itself the signal.
        (
            libc::SYS_tgkill,
            vec![exactly(0, u64::from(std::process::id()))?],
        ),
        // The standard library's debug builds look whether what they close is open.
        (libc::SYS_fcntl, vec![exactly(1, libc::F_GETFD as u64)?]),
    ];
    let rules = always.chain(sometimes).collect();
    let architecture = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(
        rules,
        SeccompAction::KillProcess,
        SeccompAction::Allow,
        architecture,
    )?
    .try_into()
}

/// The argument has none of these bits.
fn without(argument: u8, bits: libc::c_int) -> Result<SeccompRule, seccompiler::BackendError> {
    let mask = u64::from(bits.cast_unsigned());
    let condition = SeccompCondition::new(
        argument,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::MaskedEq(mask),
        0,
    )?;
    SeccompRule::new(vec![condition])
}

/// The argument is this number.
fn exactly(argument: u8, number: u64) -> Result<SeccompRule, seccompiler::BackendError> {
    let length = SeccompCmpArgLen::Dword;
    let condition = SeccompCondition::new(argument, length, SeccompCmpOp::Eq, number)?;
    SeccompRule::new(vec![condition])
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::process::{CommandExt as _, ExitStatusExt as _},
        process::{Command, ExitStatus},
        ptr,
    };

    use super::*;

    /// Makes a call below the filter and then ends with 7.
    fn below_the_filter(call: fn()) -> ExitStatus {
        let program = program().expect("known calls");
        let mut command = Command::new("/nonexistent");
        let work = move || {
            seccompiler::apply_filter(&program).map_err(io::Error::other)?;
            call();
            // SAFETY: ends this process at once, without running anything of the test.
            unsafe { libc::_exit(7) }
        };
        // SAFETY: between fork and exit it makes system calls only.
        unsafe { command.pre_exec(work) };
        let mut child = command.spawn().expect("forked");
        child.wait().expect("ended")
    }

    /// A system call whose arguments are numbers, and that touches no memory of this process.
    fn call(number: libc::c_long, arguments: [libc::c_long; 4]) {
        let [a, b, c, d] = arguments;
        // SAFETY: see above; pointers are null or not followed before the filter ends the process.
        unsafe { libc::syscall(number, a, b, c, d) };
    }

    fn map(protection: libc::c_int) {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a fresh mapping, which nothing uses.
        unsafe { libc::mmap(ptr::null_mut(), 4096, protection, flags, -1, 0) };
    }

    #[test]
    fn what_reading_takes_is_allowed() {
        let status = below_the_filter(|| {
            map(libc::PROT_READ | libc::PROT_WRITE);
            call(libc::SYS_getpid, [0; 4]);
            call(libc::SYS_lseek, [0, 0, 0, 0]);
            call(libc::SYS_fcntl, [0, libc::F_GETFD.into(), 0, 0]);
        });
        assert_eq!(status.code(), Some(7), "{status}");
    }

    #[test]
    fn any_other_call_ends_the_process() {
        let calls: [fn(); 14] = [
            || map(libc::PROT_READ | libc::PROT_EXEC),
            || call(libc::SYS_mprotect, [0; 4]),
            || call(libc::SYS_openat, [0; 4]),
            || {
                call(
                    libc::SYS_socket,
                    [libc::AF_INET.into(), libc::SOCK_STREAM.into(), 0, 0],
                )
            },
            || call(libc::SYS_clone, [0; 4]),
            || call(libc::SYS_execve, [0; 4]),
            || call(libc::SYS_ptrace, [0; 4]),
            || call(libc::SYS_kill, [0; 4]),
            || call(libc::SYS_tgkill, [1, 1, 0, 0]),
            || call(libc::SYS_process_vm_readv, [0; 4]),
            || call(libc::SYS_fcntl, [0, libc::F_SETFL.into(), 0, 0]),
            || call(libc::SYS_ioctl, [0; 4]),
            || call(libc::SYS_prctl, [0; 4]),
            || call(libc::SYS_getppid, [0; 4]),
        ];
        for (index, call) in calls.into_iter().enumerate() {
            let status = below_the_filter(call);
            assert_eq!(
                status.signal(),
                Some(libc::SIGSYS),
                "call {index}: {status}"
            );
        }
    }
}
