//! Goroutines that do the same become one row while they are read: nothing is kept for each.

use std::collections::{HashMap, hash_map::Entry};

use super::{
    facts::GoroutineFields,
    slots::{Now, Slots, Tenths},
    state::State,
    window::Window,
};

/// Groups of one profile; programs have some dozens.
const MOST: usize = 4_096;
/// Goroutines of a group whose stacks are tried beside that of the one that waits longest.
const RECENT: usize = 3;

/// What the goroutines of a group have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) state: State,
    /// Number of the reason to wait; 0 when it does not wait.
    pub(super) reason: u8,
    /// Return address of the `go` statement; 0 for the first goroutine.
    pub(super) creator: u64,
    /// Entry of the function it began with.
    pub(super) start: u64,
}

/// A goroutine whose stack may be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) address: u64,
    pub(super) id: u64,
    pub(super) turns: u8,
}

/// A group.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    pub(super) count: u64,
    /// Of these, how many were there at the reading before.
    pub(super) known: u64,
    /// Of these, how many have not run since the reading before.
    pub(super) unmoved: u64,
    /// When the oldest was first seen.
    pub(super) first_seen: Tenths,
    /// When the one that waits longest was first seen in its wait.
    pub(super) parked_since: Option<Tenths>,
    /// Earliest `waitsince` of the runtime in monotonic nanoseconds; 0 when it has noted none.
    pub(super) wait_since_ns: u64,
    /// The goroutine that waits longest.
    pub(super) longest: Sample,
    /// Those seen last, in no order; a small group has some of them twice.
    pub(super) recent: [Sample; RECENT],
}

/// All groups of one reading.
#[derive(Debug, Default)]
pub(super) struct Groups {
    pub(super) tallies: HashMap<Key, Tally>,
    /// Goroutines that found no room in a group of their own.
    pub(super) ungrouped: u64,
}

impl Groups {
    /// Counts the goroutine at an entry of the list, unless there is none any more.
    pub(super) fn add(
        &mut self,
        entry: (usize, u64),
        window: Window<'_>,
        fields: &GoroutineFields,
        slots: &mut Slots,
        at: Tenths,
    ) {
        let Some(state) = State::of(window.u32(fields.status)) else {
            return;
        };
        let (number, address) = entry;
        let parked = state.is_parked();
        let reason = if parked {
            window.u8(fields.wait_reason)
        } else {
            0
        };
        let sample = Sample {
            address,
            id: window.u64(fields.id),
            turns: window.u8(fields.turns),
        };
        let now = Now {
            id: sample.id,
            turns: sample.turns,
            reason,
            parked,
        };
        let known = slots.see(number, now, at);
        let one = Tally {
            count: 1,
            known: u64::from(known.before),
            unmoved: u64::from(known.unmoved),
            first_seen: known.first_seen,
            parked_since: known.parked_since,
            wait_since_ns: if parked {
                window.u64(fields.wait_since)
            } else {
                0
            },
            longest: sample,
            recent: [sample; RECENT],
        };
        let key = Key {
            state,
            reason,
            creator: window.u64(fields.creator),
            start: window.u64(fields.start),
        };
        let room = self.tallies.len() < MOST;
        match self.tallies.entry(key) {
            Entry::Occupied(mut group) => group.get_mut().join(&one),
            Entry::Vacant(place) if room => drop(place.insert(one)),
            Entry::Vacant(_) => self.ungrouped += 1,
        }
    }
}

impl Tally {
    /// Goroutines whose stacks may stand for the group, the one that waits longest first.
    pub(super) fn samples(&self) -> impl Iterator<Item = Sample> {
        std::iter::once(self.longest).chain(self.recent)
    }

    /// Adds a group of one.
    fn join(&mut self, one: &Self) {
        self.count += one.count;
        self.known += one.known;
        self.unmoved += one.unmoved;
        self.first_seen = self.first_seen.min(one.first_seen);
        if one.parked_since < self.parked_since {
            self.parked_since = one.parked_since;
            self.longest = one.longest;
        }
        self.wait_since_ns = match (self.wait_since_ns, one.wait_since_ns) {
            (0, noted) | (noted, 0) => noted,
            (ours, theirs) => ours.min(theirs),
        };
        self.recent.rotate_right(1);
        self.recent[0] = one.recent[0];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(id: u64, parked_since: Tenths) -> Tally {
        let sample = Sample {
            address: 0x1000 * id,
            id,
            turns: 0,
        };
        Tally {
            count: 1,
            known: 0,
            unmoved: 0,
            first_seen: parked_since,
            parked_since: Some(parked_since),
            wait_since_ns: 0,
            longest: sample,
            recent: [sample; RECENT],
        }
    }

    #[test]
    fn a_group_offers_its_longest_waiter_and_those_seen_last() {
        let mut group = one(1, 5);
        for (id, since) in [(2, 3), (3, 9), (4, 9), (5, 9)] {
            group.join(&one(id, since));
        }
        let ids: Vec<u64> = group.samples().map(|sample| sample.id).collect();
        assert_eq!(ids, [2, 5, 4, 3]);
        assert_eq!((group.count, group.parked_since), (5, Some(3)));
    }
}
