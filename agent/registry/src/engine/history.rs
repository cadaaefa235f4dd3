//! What changed lately in one service, so that a watcher gets the steps it missed and not everything.

use std::collections::{BTreeSet, VecDeque};

use crate::{Revision, model::Name};

/// Steps that are kept for each service. Whoever is further behind gets the whole service.
const STEPS: usize = 256;

/// Node and id of an instance.
pub(super) type Place = (Name, Name);

/// The last steps of one service.
#[derive(Debug, Default)]
pub(super) struct History {
    /// Steps up to this revision may be missing.
    floor: Revision,
    steps: VecDeque<(Revision, Place)>,
}

impl History {
    /// Nothing is known of what was up to `floor`.
    pub(super) fn since(floor: Revision) -> Self {
        Self {
            floor,
            steps: VecDeque::new(),
        }
    }

    /// Notes that an instance came, changed or went.
    pub(super) fn note(&mut self, revision: Revision, place: Place) {
        if self.steps.len() >= STEPS
            && let Some((oldest, _)) = self.steps.pop_front()
        {
            self.floor = oldest;
        }
        self.steps.push_back((revision, place));
    }

    /// The instances that changed after `seen` and up to `until`; `None` when that is not known any more.
    pub(super) fn between(&self, seen: Revision, until: Revision) -> Option<BTreeSet<Place>> {
        if seen < self.floor {
            return None;
        }
        let newest = self.steps.iter().rev();
        let steps = newest
            .take_while(|(revision, _)| *revision > seen)
            .filter(|(revision, _)| *revision <= until);
        Some(steps.map(|(_, place)| place.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(id: &str) -> Place {
        ("node".into(), id.into())
    }

    fn ids(history: &History, seen: u64, until: u64) -> Option<Vec<String>> {
        let places = history.between(Revision(seen), Revision(until))?;
        Some(places.iter().map(|(_, id)| id.to_string()).collect())
    }

    #[test]
    fn the_steps_between_two_revisions_are_known() {
        let mut history = History::since(Revision(5));
        for (revision, id) in [(6, "a"), (8, "b"), (8, "a"), (9, "c")] {
            history.note(Revision(revision), place(id));
        }
        assert_eq!(ids(&history, 4, 9), None);
        assert_eq!(ids(&history, 5, 9).unwrap(), ["a", "b", "c"]);
        assert_eq!(ids(&history, 6, 8).unwrap(), ["a", "b"]);
        assert_eq!(ids(&history, 9, 9).unwrap(), [""; 0]);
    }

    #[test]
    fn what_is_too_long_ago_is_not_known() {
        let mut history = History::since(Revision(0));
        for revision in 1..=300 {
            history.note(Revision(revision), place("a"));
        }
        assert_eq!(ids(&history, 43, 300), None);
        assert_eq!(ids(&history, 44, 300).unwrap(), ["a"]);
    }
}
