//! Empties the rings on a timer, or sooner when the kernel side says that a ring is half full.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    time::Duration,
};

use aya::maps::{MapData, RingBuf};

/// Waits for the timer or for the kernel's mark.
///
/// Edge-triggered: a ring with data in it is not a reason to wake, only the kernel's word is.
#[derive(Debug)]
pub struct Waiter {
    epoll: OwnedFd,
}

impl Waiter {
    /// A waiter that `ring` can wake.
    ///
    /// # Errors
    /// When the kernel has no descriptor left.
    pub fn new(ring: BorrowedFd<'_>) -> io::Result<Self> {
        // SAFETY: takes a flag, returns a descriptor or -1.
        let raw = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just made, nobody else knows it.
        let epoll = unsafe { OwnedFd::from_raw_fd(raw) };
        let mut interest = libc::epoll_event {
            events: (libc::EPOLLIN | libc::EPOLLET) as u32,
            u64: 0,
        };
        // SAFETY: both descriptors are open and `interest` outlives the call.
        let added = unsafe {
            libc::epoll_ctl(
                raw,
                libc::EPOLL_CTL_ADD,
                ring.as_raw_fd(),
                &raw mut interest,
            )
        };
        if added < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(Self { epoll })
        }
    }

    /// Returns after `timeout`, or sooner when the mark was crossed.
    pub fn wait(&self, timeout: Duration) {
        let mut happened = libc::epoll_event { events: 0, u64: 0 };
        let milliseconds = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: room for one event is given. An interrupted wait is a short one, which is harmless.
        unsafe { libc::epoll_wait(self.epoll.as_raw_fd(), &raw mut happened, 1, milliseconds) };
    }
}

/// Records read in one go before others get a turn.
const BATCH: usize = 65_536;

/// Reads everything a ring holds.
pub trait Drain {
    /// Passes each waiting record to `handle` and returns how many there were.
    fn drain(&mut self, handle: impl FnMut(&[u8])) -> usize;
}

impl Drain for RingBuf<MapData> {
    fn drain(&mut self, mut handle: impl FnMut(&[u8])) -> usize {
        let mut records = 0;
        while records < BATCH {
            let Some(record) = self.next() else { break };
            handle(&record);
            records += 1;
        }
        records
    }
}
