//! Whether goroutines that were begun at a place have ever been seen to end.

use std::collections::HashMap;

use crate::runtime::profile::Profile;

/// Places that are remembered; those without goroutines are forgotten first.
const MOST: usize = 4_096;

/// Creation site and first function.
pub(super) type Origin = (u64, u64);

/// What is known of all goroutines of one origin, whatever they do.
#[derive(Debug, Default)]
struct History {
    /// How many there were at the last profile.
    count: u64,
    /// How many have ended from one profile to the next.
    ended: u64,
}

/// Origins of one process.
#[derive(Debug, Default)]
pub(super) struct Turnover(HashMap<Origin, History>);

impl Turnover {
    pub(super) fn add(&mut self, profile: &Profile) {
        let mut now: HashMap<Origin, (u64, u64)> = HashMap::new();
        for group in &profile.groups {
            let (count, known) = now.entry((group.creator, group.entry)).or_default();
            *count += group.count;
            *known += group.known;
        }
        for (origin, history) in &mut self.0 {
            let (count, known) = now.remove(origin).unwrap_or_default();
            history.ended += history.count.saturating_sub(known);
            history.count = count;
        }
        if self.0.len() + now.len() > MOST {
            self.0.retain(|_, history| history.count > 0);
        }
        let room = MOST.saturating_sub(self.0.len());
        let fresh = now.into_iter().take(room);
        self.0.extend(fresh.map(|(origin, (count, _))| {
            let history = History { count, ended: 0 };
            (origin, history)
        }));
    }

    /// Whether no goroutine of an origin has ever been seen to end.
    pub(super) fn keeps_all(&self, origin: Origin) -> bool {
        let history = self.0.get(&origin);
        history.is_some_and(|history| history.ended == 0)
    }
}
