//! Gives up every right that a process has and that reading one file does not need.
//!
//! Done by the child itself, as the first thing in its life and before it touches a byte of the file.
//! Between its start and this, it is the agent's own program with the agent's rights, an empty
//! environment, and input that comes from the agent alone.

use std::{fs, io};

use super::filter;

/// Private memory. The largest real programs take a third of it; two children and the agent must fit
/// into what the agent's own service may have.
const MEMORY: u64 = 96 << 20;
/// Address space for the program itself and its libraries, which is shared with the agent.
const CODE: u64 = 256 << 20;
/// Processor time; the largest real programs take a tenth of it.
pub(in crate::resolve) const CPU_SECONDS: u64 = 10;
/// Name in process lists; the kernel keeps 15 bytes.
const NAME: &std::ffi::CStr = c"golens-resolver";
/// Standard input, output and error are all it has.
const DESCRIPTORS: u32 = 3;

/// The step that failed, with the kernel's answer.
pub(super) type Failure = (&'static str, io::Error);

/// Leaves the process with three descriptors, its memory, and a few harmless system calls.
///
/// # Errors
/// The first step that failed; the file must not be looked at then.
pub(super) fn confine(file_bytes: u64, scratch_bytes: u64, parent: u32) -> Result<(), Failure> {
    be_ended_first();
    step("close descriptors", close_from(DESCRIPTORS))?;
    step("forbid new privileges", prctl(libc::PR_SET_NO_NEW_PRIVS, 1))?;
    leave_network();
    step("drop capabilities", drop_capabilities())?;
    // Only now: the kernel forgets it when credentials change.
    step("end with the agent", end_with_parent(parent))?;
    step("step back", step_back())?;
    let space = (MEMORY + CODE)
        .saturating_add(file_bytes)
        .saturating_add(scratch_bytes);
    step("limit resources", limit_resources(space, scratch_bytes))?;
    step("hide memory", prctl(libc::PR_SET_DUMPABLE, 0))?;
    step("outlive full scratch space", outlive_limit())?;
    step("filter system calls", filter::install())
}

fn step(name: &'static str, done: io::Result<()>) -> Result<(), Failure> {
    done.map_err(|error| (name, error))
}

/// The signal comes when the thread that started this process ends, which waits for it. One that ended
/// before sends none: somebody else is the parent then.
fn end_with_parent(parent: u32) -> io::Result<()> {
    prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong)?;
    if std::os::unix::process::parent_id() != parent {
        return Err(io::Error::other("it is gone already"));
    }
    prctl(libc::PR_SET_NAME, NAME.as_ptr() as libc::c_ulong)
}

/// Descriptors that the agent itself inherited without close-on-exec.
fn close_from(first: u32) -> io::Result<()> {
    // SAFETY: nothing in this process owns a descriptor from `first` on; it has just started.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) })
}

/// Moves into a network namespace without interfaces, by way of a user namespace where only that is
/// allowed. Not every machine allows either; the filter forbids sockets in any case.
fn leave_network() {
    for namespaces in [libc::CLONE_NEWNET, libc::CLONE_NEWUSER | libc::CLONE_NEWNET] {
        // SAFETY: takes flags only; this process has one thread.
        if unsafe { libc::unshare(namespaces) } == 0 {
            return;
        }
    }
}

/// Empties all five sets. The bounding set can only be emptied with CAP_SETPCAP; without it, and with
/// `no_new_privs` set and `execve` filtered, nothing can be gained from it.
fn drop_capabilities() -> io::Result<()> {
    for capability in 0..64 {
        if prctl(libc::PR_CAPBSET_DROP, capability).is_err() {
            break;
        }
    }
    // SAFETY: clears the ambient set; takes integers only.
    check(unsafe {
        libc::c_long::from(libc::prctl(
            libc::PR_CAP_AMBIENT,
            libc::PR_CAP_AMBIENT_CLEAR_ALL,
            0,
            0,
            0,
        ))
    })?;
    /// `_LINUX_CAPABILITY_VERSION_3`: two words for each set.
    const VERSION: u32 = 0x2008_0522;
    let header = [VERSION, 0];
    let none = [0_u32; 6];
    // SAFETY: a header of version and pid 0 (this process), and two times three words, as version 3 has them.
    check(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) })
}

/// When memory runs out it is this process that goes, not the agent. Raising the score takes no right,
/// but some machines show no writable /proc; the limits hold there as well.
fn be_ended_first() {
    let _refused = fs::write("/proc/self/oom_score_adj", "1000");
}

/// Lets others compute first.
fn step_back() -> io::Result<()> {
    // SAFETY: takes integers only; 0 is this process.
    check(unsafe { libc::c_long::from(libc::setpriority(libc::PRIO_PROCESS, 0, 19)) })
}

/// A write past the limit on files is an error then, not the end.
fn outlive_limit() -> io::Result<()> {
    // SAFETY: installs no handler.
    let before = unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    match before == libc::SIG_ERR {
        true => Err(io::Error::last_os_error()),
        false => Ok(()),
    }
}

fn limit_resources(space: u64, scratch_bytes: u64) -> io::Result<()> {
    let limits = [
        (libc::RLIMIT_AS, space, space),
        (libc::RLIMIT_DATA, MEMORY, MEMORY),
        (libc::RLIMIT_CPU, CPU_SECONDS, CPU_SECONDS + 1),
        (libc::RLIMIT_FSIZE, scratch_bytes, scratch_bytes),
        (
            libc::RLIMIT_NOFILE,
            u64::from(DESCRIPTORS),
            u64::from(DESCRIPTORS),
        ),
        (libc::RLIMIT_NPROC, 0, 0),
        (libc::RLIMIT_MEMLOCK, 0, 0),
        (libc::RLIMIT_CORE, 0, 0),
    ];
    limits
        .into_iter()
        .try_for_each(|(resource, soft, hard)| limit(resource, soft, hard))
}

/// Lowers a limit; what is lower already stays.
fn limit(resource: libc::__rlimit_resource_t, soft: u64, hard: u64) -> io::Result<()> {
    let mut now = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `now` is writable and of the type the call fills.
    check(unsafe { libc::c_long::from(libc::getrlimit(resource, &raw mut now)) })?;
    let limit = libc::rlimit {
        rlim_cur: soft.min(now.rlim_cur),
        rlim_max: hard.min(now.rlim_max),
    };
    // SAFETY: `limit` is readable and of the type the call takes.
    check(unsafe { libc::c_long::from(libc::setrlimit(resource, &raw const limit)) })
}

/// For options whose only argument is a number, or text that outlives the call.
fn prctl(option: libc::c_int, argument: libc::c_ulong) -> io::Result<()> {
    // SAFETY: see above; options that take no further arguments want them to be 0.
    check(libc::c_long::from(unsafe {
        libc::prctl(option, argument, 0, 0, 0)
    }))
}

fn check(result: libc::c_long) -> io::Result<()> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
