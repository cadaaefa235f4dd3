//! Goal and trigger of the next GC cycle: the runtime computes them, and so does this, from the same numbers.
//!
//! # Source   go-sym: runtime.(*gcControllerState).trigger 1.19..=1.27 mgcpacer.go

use super::{
    cells::Cell,
    view::{Absence, View},
};

/// Least headroom below a goal that follows from the memory limit.
const LEAST_HEADROOM: u64 = 1 << 20;
/// Headroom in hundredths of such a goal, since Go 1.21.
const HEADROOM_PERCENT: u64 = 3;
/// Least distance from the size at which a cycle started to its goal.
const LEAST_RUNWAY: u64 = 64 << 10;
/// No limit is set.
const NO_LIMIT: u64 = i64::MAX as u64;
/// The heap at which a program collects for the first time.
const FIRST_HEAP: u64 = 4 << 20;

/// Releases whose computation is known to be this one.
const KNOWN: std::ops::RangeInclusive<u32> = 19..=27;

/// Heap size at which the next cycle should end.
pub(super) fn goal(view: &View<'_>) -> Result<u64, Absence> {
    if view.minor < *KNOWN.start() {
        return stored(view, Cell::GoalOld);
    }
    goal_and_least_trigger(view).map(|(goal, _)| goal)
}

/// Heap size at which the next cycle begins.
pub(super) fn trigger(view: &View<'_>) -> Result<u64, Absence> {
    if view.minor < *KNOWN.start() {
        return stored(view, Cell::TriggerOld);
    }
    let (goal, least) = goal_and_least_trigger(view)?;
    let marked = view.cell(Cell::HeapMarked)?;
    if marked >= goal {
        return Ok(goal);
    }
    let share = |of_64: u64| ((goal - marked) / 64).saturating_mul(of_64) + marked;
    let least = least.max(marked).max(share(45));
    let most = share(61).max(goal.saturating_sub(FIRST_HEAP)).max(least);
    let runway = view.cell(Cell::Runway)?;
    let wanted = goal.checked_sub(runway).unwrap_or(least);
    Ok(wanted.clamp(least, most))
}

/// Up to Go 1.18 the runtime keeps both.
fn stored(view: &View<'_>, cell: Cell) -> Result<u64, Absence> {
    match view.cell(cell)? {
        u64::MAX => Err(Absence::Off),
        kept => Ok(kept),
    }
}

/// The goal, and the trigger that the sweeper needs at least.
fn goal_and_least_trigger(view: &View<'_>) -> Result<(u64, u64), Absence> {
    if !KNOWN.contains(&view.minor) {
        // A newer release has a goal, and may compute it in another way.
        return Err(Absence::Unknown);
    }
    let percent = view.cell(Cell::PercentHeapGoal)?;
    let limit = view.cell(Cell::MemoryLimit)?;
    if limit != NO_LIMIT {
        let by_limit = limit_goal(view, limit)?;
        if by_limit < percent {
            return Ok((by_limit, 0));
        }
    }
    let sweep = view.cell(Cell::SweepTrigger)?;
    let triggered = view.cell(Cell::Triggered)?;
    let floor = if triggered == u64::MAX {
        0
    } else {
        triggered.saturating_add(LEAST_RUNWAY)
    };
    match percent.max(sweep).max(floor) {
        u64::MAX => Err(Absence::Off),
        goal => Ok((goal, sweep)),
    }
}

/// The goal that keeps the process within its memory limit.
///
/// `Moving` while the parts, which the runtime changes one after the other, do not fit together.
///
/// # Source     go-sym: runtime.(*gcControllerState).memoryLimitHeapGoal 1.19..=1.27 mgcpacer.go
fn limit_goal(view: &View<'_>, limit: u64) -> Result<u64, Absence> {
    let allocated = view
        .cell(Cell::TotalAlloc)?
        .wrapping_sub(view.cell(Cell::TotalFree)?);
    let mapped = view.cell(Cell::MappedReady)?;
    let marked = view.cell(Cell::HeapMarked)?;
    let heap = allocated.checked_add(view.cell(Cell::HeapFree)?);
    let other = heap.and_then(|heap| mapped.checked_sub(heap));
    let used = other.and_then(|other| other.checked_add(mapped.saturating_sub(limit)));
    let used = used.ok_or(Absence::Moving)?;
    if used >= limit {
        return Ok(marked);
    }
    let goal = limit - used;
    let headroom = if view.minor < 21 {
        LEAST_HEADROOM
    } else {
        (goal / 100 * HEADROOM_PERCENT).max(LEAST_HEADROOM)
    };
    let goal = goal.saturating_sub(headroom).max(headroom);
    Ok(goal.max(marked))
}
