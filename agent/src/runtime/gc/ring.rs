//! The runtime's ring of the last 256 GC pauses: every cycle exactly once, to the nanosecond.
//!
//! The runtime publishes a cycle by writing, in this order: the end time `last_gc_unix`, the ring
//! entries, the total, the count. A copy is of one moment when the count is the same before and
//! after it, and the end time after it is still that of the last counted cycle.

use crate::{
    clock::UnixNanos,
    runtime::{
        GcFacts,
        memory::{Copied, Place},
    },
};

/// Cycles the runtime keeps.
const RING: u64 = 256;
const ENTRIES: usize = 256;
/// Bytes of the number of cycles.
const COUNT: usize = 4;

/// What the ring says of one finished cycle.
///
/// # Source     go-off: runtime.mstats.pause_ns
///              go-off: runtime.mstats.pause_end
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingCycle {
    /// Number of the cycle, from 1.
    pub number: u32,
    /// Sum of the cycle's stops of the world, as the runtime counts them.
    pub pause_ns: u64,
    /// End of its last stop, by the target's wall clock.
    pub end: UnixNanos,
}

/// Where in the copy the variables are.
#[derive(Debug)]
pub(in crate::runtime) struct GcPieces {
    count: Place,
    end: Place,
    total: usize,
    pauses: usize,
    ends: usize,
}

/// What one copy holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::runtime) struct GcCopy {
    pub(in crate::runtime) cycles: u32,
    pub(in crate::runtime) total_ns: u64,
    /// Pause and end by `(cycle - 1) % 256`.
    pub(in crate::runtime) ring: Vec<(u64, u64)>,
}

impl GcPieces {
    /// `at` tells where in the copy an address is.
    pub(in crate::runtime) fn new(facts: &GcFacts, base: u64, at: impl Fn(u64) -> usize) -> Self {
        Self {
            count: Self::count(facts, base),
            end: (address(facts, base, facts.last_gc_unix), 8),
            total: at(address(facts, base, facts.pause_total_ns)),
            pauses: at(address(facts, base, facts.pause_ns)),
            ends: at(address(facts, base, facts.pause_end)),
        }
    }

    /// What must be copied of a process that the binary was loaded at `base` of.
    pub(in crate::runtime) fn wanted(facts: &GcFacts, base: u64) -> [Place; 3] {
        let ring = 8 * ENTRIES;
        [
            (address(facts, base, facts.pause_total_ns), 8),
            (address(facts, base, facts.pause_ns), ring),
            (address(facts, base, facts.pause_end), ring),
        ]
    }

    /// The number of cycles, which must be copied before all that is wanted, too: it is first in the copy.
    pub(in crate::runtime) fn count(facts: &GcFacts, base: u64) -> Place {
        (address(facts, base, facts.numgc), COUNT)
    }

    /// What must be copied after it.
    pub(in crate::runtime) fn again(&self) -> [Place; 2] {
        [self.end, self.count]
    }

    /// Finished cycles, as of the beginning of the copy.
    pub(in crate::runtime) fn cycles(copied: Copied<'_>) -> u32 {
        copied.u32_at(0)
    }

    /// Whether all parts of the copy are of one moment.
    pub(in crate::runtime) fn is_stable(&self, copied: Copied<'_>, again: Copied<'_>) -> bool {
        let cycles = Self::cycles(copied);
        let last = usize::try_from(cycles.wrapping_sub(1)).unwrap_or_default() % ENTRIES;
        let last_end = if cycles == 0 {
            0
        } else {
            copied.u64_at(self.ends + 8 * last)
        };
        again.u64_at(0) == last_end && again.u32_at(8) == cycles
    }

    pub(in crate::runtime) fn copied(&self, copied: Copied<'_>) -> GcCopy {
        let pauses = copied.numbers(self.pauses, ENTRIES);
        GcCopy {
            cycles: Self::cycles(copied),
            total_ns: copied.u64_at(self.total),
            ring: pauses.zip(copied.numbers(self.ends, ENTRIES)).collect(),
        }
    }
}

fn address(facts: &GcFacts, base: u64, offset: u32) -> u64 {
    base.wrapping_add(facts.memstats)
        .wrapping_add(u64::from(offset))
}

/// Tells which cycles are new since the last look.
#[derive(Debug, Default)]
pub(in crate::runtime) struct GcHistory {
    /// The last stable copy.
    last: Option<GcCopy>,
}

/// What a look adds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::runtime) struct RingNews {
    pub(in crate::runtime) cycles: Vec<RingCycle>,
    pub(in crate::runtime) lost: u64,
}

impl GcHistory {
    /// Takes a stable copy in; cycles before the first one are a baseline, not news.
    pub(in crate::runtime) fn advance(&mut self, copy: GcCopy) -> RingNews {
        let news = match &self.last {
            None => RingNews::default(),
            Some(last) => {
                // The counter has 32 bits and may wrap.
                let new = u64::from(copy.cycles.wrapping_sub(last.cycles));
                RingNews {
                    cycles: newest(&copy, new),
                    lost: new.saturating_sub(RING),
                }
            }
        };
        self.last = Some(copy);
        news
    }

    pub(in crate::runtime) fn last(&self) -> Option<&GcCopy> {
        self.last.as_ref()
    }

    /// The last cycles, newest last, up to 256.
    pub(in crate::runtime) fn cycles(&self) -> Vec<RingCycle> {
        self.last
            .as_ref()
            .map(|copy| newest(copy, u64::from(copy.cycles)))
            .unwrap_or_default()
    }
}

fn newest(copy: &GcCopy, count: u64) -> Vec<RingCycle> {
    (0..u32::try_from(count.min(RING)).unwrap_or_default())
        .rev()
        .filter_map(|back| {
            let number = copy.cycles.wrapping_sub(back);
            let entry = u64::from(number.wrapping_sub(1)) % RING;
            let &(pause_ns, end) = copy.ring.get(usize::try_from(entry).ok()?)?;
            Some(RingCycle {
                number,
                pause_ns,
                end: UnixNanos(end),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The ring after a number of cycles, of which cycle n (from 1) paused for n ns.
    fn after(cycles: u32) -> GcCopy {
        let mut ring = vec![(0, 0); 256];
        for cycle in cycles.saturating_sub(255).max(1)..=cycles {
            ring[(cycle as usize - 1) % 256] = (u64::from(cycle), 1_000 + u64::from(cycle));
        }
        GcCopy {
            cycles,
            total_ns: 0,
            ring,
        }
    }

    fn pauses(cycles: &[RingCycle]) -> Vec<u64> {
        for cycle in cycles {
            assert_eq!(u64::from(cycle.number), cycle.pause_ns, "of its own cycle");
            assert_eq!(cycle.end.0, 1_000 + cycle.pause_ns);
        }
        cycles.iter().map(|cycle| cycle.pause_ns).collect()
    }

    #[test]
    fn the_first_look_is_a_baseline_with_a_history() {
        let mut history = GcHistory::default();
        assert_eq!(history.advance(after(3)), RingNews::default());
        assert_eq!(pauses(&history.cycles()), [1, 2, 3]);
        assert_eq!(pauses(&history.advance(after(5)).cycles), [4, 5]);
        assert_eq!(history.advance(after(5)).cycles, []);
    }

    #[test]
    fn more_than_the_ring_holds_is_counted_as_lost() {
        let mut history = GcHistory::default();
        history.advance(after(0));
        let news = history.advance(after(256));
        assert_eq!((news.cycles.len(), news.lost), (256, 0));
        let news = history.advance(after(256 + 300));
        assert_eq!((news.cycles.len(), news.lost), (256, 44));
        assert_eq!(pauses(&news.cycles).first(), Some(&301));
    }

    proptest! {
        #[test]
        fn each_cycle_comes_once_whatever_the_rhythm(steps in proptest::collection::vec(0u32..300, 1..40)) {
            let mut history = GcHistory::default();
            history.advance(after(0));
            let (mut at, mut told, mut lost) = (0, Vec::new(), 0);
            for step in steps {
                at += step;
                let news = history.advance(after(at));
                told.extend(pauses(&news.cycles));
                lost += news.lost;
            }
            prop_assert_eq!(told.len() as u64 + lost, u64::from(at));
            prop_assert!(told.windows(2).all(|pair| pair[0] < pair[1]), "in order, none twice");
        }
    }
}
