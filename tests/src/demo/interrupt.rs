//! Ctrl-C sets a flag; whoever waits looks at it, and everything is cleaned up on the way out.

use std::{
    ffi::c_int,
    io, ptr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Whether Ctrl-C or SIGTERM has come since [`watch`].
#[must_use]
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Takes over SIGINT and SIGTERM.
pub(super) fn watch() -> Result<()> {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        install(signal).with_context(|| format!("install a handler for signal {signal}"))?;
    }
    Ok(())
}

extern "C" fn note(_: c_int) {
    INTERRUPTED.store(true, Ordering::Relaxed);
}

fn install(signal: c_int) -> io::Result<()> {
    // SAFETY: sigaction is a plain C struct for which all-zero bytes are a valid value.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = note as extern "C" fn(c_int) as libc::sighandler_t;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: `action` lives until the call returns; the handler only stores to an atomic.
    match unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Waits for Ctrl-C.
pub(super) fn wait() -> Result<()> {
    while !interrupted() {
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}
