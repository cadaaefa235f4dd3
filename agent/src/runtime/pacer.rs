//! Heap and goal, from the variables of the GC's pacer.

use super::{PacerFacts, memory::Piece};

/// Least headroom below a goal that follows from the memory limit.
const LEAST_HEADROOM: u64 = 1 << 20;
/// Headroom in hundredths of such a goal.
const HEADROOM_PERCENT: u64 = 3;
/// Least distance from the size at which a cycle started to its goal.
const LEAST_RUNWAY: u64 = 64 << 10;
/// No limit is set.
const NO_LIMIT: u64 = i64::MAX as u64;

/// The copied variables.
#[derive(Debug)]
pub(super) struct PacerPiece {
    pub(super) piece: Piece,
    facts: PacerFacts,
    start: u32,
}

impl PacerPiece {
    pub(super) fn new(facts: &PacerFacts, base: u64) -> Self {
        let offsets = [
            facts.memory_limit,
            facts.percent_goal,
            facts.sweep_trigger,
            facts.triggered,
            facts.heap_marked,
            facts.heap_free,
            facts.total_alloc,
            facts.total_free,
            facts.mapped_ready,
        ];
        let start = offsets.into_iter().min().unwrap_or(0);
        let end = offsets.into_iter().max().unwrap_or(0).saturating_add(8);
        let address = base
            .wrapping_add(facts.controller)
            .wrapping_add(u64::from(start));
        Self {
            piece: Piece::new(address, usize::try_from(end - start).unwrap_or_default()),
            facts: facts.clone(),
            start,
        }
    }

    /// Heap that the last cycle found alive.
    pub(super) fn live_bytes(&self) -> u64 {
        self.at(self.facts.heap_marked)
    }

    /// Heap size at which the next cycle should end.
    pub(super) fn goal_bytes(&self) -> Option<u64> {
        let limit = self.at(self.facts.memory_limit);
        let percent = self.at(self.facts.percent_goal);
        if limit != NO_LIMIT {
            if !self.facts.limit_is_known {
                return None;
            }
            let by_limit = self.limit_goal(limit)?;
            if by_limit < percent {
                return Some(by_limit);
            }
        }
        let triggered = self.at(self.facts.triggered);
        let floor = if triggered == u64::MAX {
            0
        } else {
            triggered.saturating_add(LEAST_RUNWAY)
        };
        let goal = percent.max(self.at(self.facts.sweep_trigger)).max(floor);
        (goal != u64::MAX).then_some(goal)
    }

    /// The goal that keeps the process within its memory limit.
    ///
    /// None while the parts, which the runtime changes one after the other, do not fit together.
    ///
    /// # Source     go-sym: runtime.(*gcControllerState).memoryLimitHeapGoal 1.21..=1.27 mgcpacer.go
    fn limit_goal(&self, limit: u64) -> Option<u64> {
        let allocated = self
            .at(self.facts.total_alloc)
            .wrapping_sub(self.at(self.facts.total_free));
        let mapped = self.at(self.facts.mapped_ready);
        let heap = allocated.checked_add(self.at(self.facts.heap_free))?;
        let other = mapped.checked_sub(heap)?;
        let marked = self.live_bytes();
        let used = other.checked_add(mapped.saturating_sub(limit))?;
        if used >= limit {
            return Some(marked);
        }
        let goal = limit - used;
        let headroom = (goal / 100 * HEADROOM_PERCENT).max(LEAST_HEADROOM);
        let goal = goal.saturating_sub(headroom).max(headroom);
        Some(goal.max(marked))
    }

    fn at(&self, offset: u32) -> u64 {
        let within = offset - self.start;
        self.piece
            .u64_at(usize::try_from(within).unwrap_or(usize::MAX))
    }
}
