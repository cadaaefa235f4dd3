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
    use super::*;

    #[test]
    fn the_filter_compiles_for_this_machine() {
        let program = program().expect("known calls");
        assert!(
            program.len() > ALLOWED.len(),
            "{} instructions",
            program.len()
        );
    }
}
