//! What was seen of each goroutine before, by its number in the list.

use super::room::Room;

/// Tenths of a second since the first reading.
pub(super) type Tenths = u32;

/// One entry of the list: goroutines that end give it to others.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// Goroutine ids are never used twice.
    id: u64,
    first_seen: Tenths,
    parked_since: Tenths,
    turns: u8,
    reason: u8,
    parked: bool,
}

/// A goroutine as it is now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) id: u64,
    pub(super) turns: u8,
    pub(super) reason: u8,
    pub(super) parked: bool,
}

/// For how long a goroutine has been known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// It was there at an earlier reading.
    pub(super) before: bool,
    /// When it was first seen.
    pub(super) first_seen: Tenths,
    /// When it was first seen in the wait that it is in; none when it does not wait.
    pub(super) parked_since: Option<Tenths>,
    /// It was parked at an earlier reading and has not run since.
    pub(super) unmoved: bool,
}

/// The memory of one profiler: 24 bytes for each entry of the list that found room.
#[derive(Debug)]
pub(super) struct Slots {
    entries: Vec<Slot>,
    room: Room,
}

impl Slots {
    pub(super) fn new(room: Room) -> Self {
        Self {
            entries: Vec::new(),
            room,
        }
    }

    /// Makes room for so many entries, or as many as there is room for, and keeps no more. Answers how
    /// many it is.
    pub(super) fn resize(&mut self, entries: usize) -> usize {
        let had = self.entries.len();
        if entries < had {
            self.entries.truncate(entries);
            self.entries.shrink_to_fit();
            self.room.give_back(had - entries);
        } else {
            let more = self.room.take(entries - had);
            self.entries.reserve_exact(more);
            self.entries.resize(had + more, Slot::default());
        }
        self.entries.len()
    }

    /// Remembers a goroutine, and says what was known of it.
    ///
    /// A goroutine that has run since the last reading has another number of turns, unless it made 256
    /// of them: then it is taken for one that did not run.
    pub(super) fn see(&mut self, number: usize, now: Now, at: Tenths) -> Known {
        let Some(slot) = self.entries.get_mut(number) else {
            return Known {
                before: false,
                first_seen: at,
                parked_since: now.parked.then_some(at),
                unmoved: false,
            };
        };
        let before = slot.id == now.id;
        if !before {
            *slot = Slot {
                id: now.id,
                first_seen: at,
                ..Slot::default()
            };
        }
        let unmoved =
            now.parked && slot.parked && (slot.turns, slot.reason) == (now.turns, now.reason);
        if !unmoved {
            slot.parked_since = at;
        }
        (slot.turns, slot.reason, slot.parked) = (now.turns, now.reason, now.parked);
        Known {
            before,
            first_seen: slot.first_seen,
            parked_since: now.parked.then_some(slot.parked_since),
            unmoved,
        }
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        self.room.give_back(self.entries.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parked(id: u64, turns: u8) -> Now {
        Now {
            id,
            turns,
            reason: 7,
            parked: true,
        }
    }

    #[test]
    fn only_who_did_not_run_is_unmoved() {
        let mut slots = Slots::new(Room::new(1));
        slots.resize(1);
        let first = slots.see(0, parked(9, 1), 10);
        assert_eq!((first.first_seen, first.unmoved), (10, false));
        assert!(!first.before);
        let still = slots.see(0, parked(9, 1), 20);
        assert_eq!(
            still,
            Known {
                before: true,
                first_seen: 10,
                parked_since: Some(10),
                unmoved: true
            }
        );
        let again = slots.see(0, parked(9, 2), 30);
        assert_eq!((again.parked_since, again.unmoved), (Some(30), false));
        let other = Now {
            reason: 8,
            ..parked(9, 2)
        };
        assert!(!slots.see(0, other, 40).unmoved);
        let runs = Now {
            parked: false,
            ..other
        };
        assert_eq!(slots.see(0, runs, 50).parked_since, None);
        assert!(!slots.see(0, other, 60).unmoved);
    }

    #[test]
    fn another_goroutine_in_the_same_place_begins_anew() {
        let mut slots = Slots::new(Room::new(1));
        slots.resize(1);
        slots.see(0, parked(9, 1), 10);
        let other = slots.see(0, parked(10, 1), 20);
        assert_eq!((other.first_seen, other.unmoved), (20, false));
        assert!(!other.before);
        assert!(!slots.see(1, parked(9, 1), 30).unmoved, "beyond the room");
    }

    #[test]
    fn all_profilers_share_one_room() {
        let room = Room::new(10);
        let (mut one, mut other) = (Slots::new(room.clone()), Slots::new(room.clone()));
        assert_eq!(one.resize(7), 7);
        assert_eq!(other.resize(7), 3, "no more is left");
        other.see(2, parked(9, 1), 10);
        assert_eq!(one.resize(5), 5);
        assert_eq!(other.resize(7), 5);
        assert!(other.see(2, parked(9, 1), 20).unmoved, "still remembered");
        drop(one);
        assert_eq!(other.resize(20), 10);
        drop(other);
        assert_eq!(room.take(11), 10, "all is given back");
    }

    #[test]
    fn an_entry_takes_what_is_promised() {
        assert_eq!(size_of::<Slot>(), 24);
    }
}
