//! Who reads a target: one at a time, and nobody waits for another.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Whether somebody reads the target, or is about to.
#[derive(Debug, Default)]
pub(super) struct Turn(Arc<AtomicBool>);

/// The right to read it. It goes back however the reading ends: with a panic, or without having begun.
#[derive(Debug)]
pub(super) struct Claim(Arc<AtomicBool>);

impl Turn {
    /// Takes the right; none while somebody else has it.
    pub(super) fn claim(&self) -> Option<Claim> {
        let taken = self.0.swap(true, Ordering::AcqRel);
        (!taken).then(|| Claim(Arc::clone(&self.0)))
    }

    /// Whether somebody has it.
    pub(super) fn is_taken(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_gives_the_turn_back() {
        let turn = Turn::default();
        let claim = turn.claim().expect("free");
        assert!(turn.is_taken() && turn.claim().is_none());
        let read = move || {
            let _claim = claim;
            panic!("in the middle of a reading");
        };
        std::thread::spawn(read).join().expect_err("panicked");
        assert!(!turn.is_taken());
        drop(turn.claim().expect("free again"));
    }
}
