//! Slots: indices into the kernel's per-target arrays, with generations that are never reused.

use std::collections::VecDeque;

use agent_ebpf::{limits::MAX_TARGETS, target::TargetRef};

use super::ProbeError;

/// Hands out slots, each time with a new generation.
///
/// The slot that was given back longest ago comes first: a program that is just running for the old
/// target still reads and counts under its slot, which must not be another target's by then.
#[derive(Debug)]
pub struct Slots {
    free: VecDeque<u32>,
    next_generation: u32,
}

impl Slots {
    /// All slots free.
    #[must_use]
    pub fn new() -> Self {
        Self {
            free: (0..MAX_TARGETS).collect(),
            next_generation: 1,
        }
    }

    /// Takes a slot under a new generation.
    ///
    /// # Errors
    /// `NoSlot` when all are in use.
    pub fn take(&mut self) -> Result<TargetRef, ProbeError> {
        let slot = self
            .free
            .pop_front()
            .ok_or(ProbeError::NoSlot { limit: MAX_TARGETS })?;
        let generation = self.next_generation;
        // Four billion registrations at one a second are 136 years; zero marks "no target".
        self.next_generation = self.next_generation.checked_add(1).unwrap_or(1);
        Ok(TargetRef { slot, generation })
    }

    /// Gives a slot back.
    pub fn give_back(&mut self, target: TargetRef) {
        self.free.push_back(target.slot);
    }
}

impl Default for Slots {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_returns_last_and_under_a_new_generation() {
        let mut slots = Slots::new();
        let first = slots.take().unwrap();
        slots.give_back(first);
        for _ in 1..MAX_TARGETS {
            assert_ne!(slots.take().unwrap().slot, first.slot);
        }
        let again = slots.take().unwrap();
        assert_eq!(again.slot, first.slot);
        assert_ne!(again.generation, first.generation);
    }

    #[test]
    fn the_last_slot_is_followed_by_an_error() {
        let mut slots = Slots::new();
        for _ in 0..MAX_TARGETS {
            slots.take().unwrap();
        }
        assert!(matches!(
            slots.take(),
            Err(ProbeError::NoSlot { limit: MAX_TARGETS })
        ));
    }
}
