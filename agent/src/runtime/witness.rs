//! Shows that a copy is of the program that was opened, by bytes of the copy itself.
//!
//! At the bottom of the main stack the kernel leaves the number of arguments and the address of the first one
//! (`mm->start_stack`, which /proc/PID/stat tells). An exec draws a new place for the stack, so the old place
//! is not mapped then, or holds something else. One call copies from one address space: where these bytes
//! are the same, all the others are of the same program. Looking the status line up after each reading
//! compares the same place, and costs as much as a third of the reading.

use super::memory::{self, Copied, Place};
use crate::discovery::Process;

/// The number of arguments, and the address of the first one.
const LENGTH: usize = 16;
/// Arguments and environment lie above; the kernel allows them no more.
const STACK: u64 = 64 << 20;

/// What must be copied with everything else, and what it must be.
#[derive(Debug)]
pub(super) struct Witness {
    place: Place,
    known: [u64; 2],
}

impl Witness {
    /// Looks at the stack of a process; none where there is nothing that only this program has.
    pub(super) fn new(process: &Process) -> Option<Self> {
        let place = (process.incarnation.stack_start, LENGTH);
        let mut bytes = Vec::new();
        memory::copy(process.id.pid, &[place], &mut bytes).ok()?;
        let known = words(Copied(&bytes));
        // The address moves with the stack; the number of arguments alone would tell nothing.
        let is_on_stack = (place.0..place.0.saturating_add(STACK)).contains(&known[1]);
        let is_ours = process.recheck().is_ok();
        (is_on_stack && is_ours).then_some(Self { place, known })
    }

    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// Whether a copy of the place is of the same program.
    pub(super) fn knows(&self, copied: Copied<'_>) -> bool {
        words(copied) == self.known
    }
}

fn words(copied: Copied<'_>) -> [u64; 2] {
    [copied.u64_at(0), copied.u64_at(8)]
}
