//! A timer wheel: very many deadlines, most of which are moved before they pass.
//!
//! To move a deadline back is to overwrite one number; the wheel looks at a timer again when the slot
//! comes round that it was put into, and puts it further if it was moved meanwhile.

use std::time::{Duration, Instant};

/// Resolution. A timer fires at most this late, and never early.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// One turn is 51.2 s; what is due later waits in a list that is looked through once per turn.
const SLOTS: u64 = 512;

/// [`Wheel::placed`] of a timer that is in no slot.
const NOWHERE: u64 = u64::MAX;

/// [`Wheel::placed`] of a timer that waits for a later turn.
const LATER: u64 = u64::MAX - 1;

/// Names one timer of a wheel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Timer(u32);

impl Timer {
    /// For tables beside the wheel; small, and used again.
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Deadlines, in ticks since `start`.
#[derive(Debug)]
pub(crate) struct Wheel {
    start: Instant,
    /// Ticks up to this one were looked at.
    tick: u64,
    slots: Vec<Vec<Timer>>,
    later: Vec<Timer>,
    /// By timer.
    deadlines: Vec<u64>,
    /// By timer: the tick of the slot that it is in. A slot may hold timers that were put elsewhere since.
    placed: Vec<u64>,
    free: Vec<Timer>,
}

impl Wheel {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            start: now,
            tick: 0,
            slots: (0..SLOTS).map(|_| Vec::new()).collect(),
            later: Vec::new(),
            deadlines: Vec::new(),
            placed: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Adds a timer.
    pub(crate) fn add(&mut self, deadline: Instant) -> Timer {
        let timer = match self.free.pop() {
            Some(timer) => timer,
            None => {
                self.deadlines.push(0);
                self.placed.push(NOWHERE);
                // Four billion timers do not fit into memory.
                Timer((self.deadlines.len() - 1) as u32)
            }
        };
        self.placed[timer.index()] = NOWHERE;
        self.set(timer, deadline);
        timer
    }

    /// Moves the deadline of a timer, whether it has fired or not.
    pub(crate) fn set(&mut self, timer: Timer, deadline: Instant) {
        let due = self.tick_of(deadline).max(self.tick + 1);
        self.deadlines[timer.index()] = due;
        let placed = self.placed[timer.index()];
        let is_seen_in_time = placed <= due || placed == LATER && due >= self.next_turn();
        if !is_seen_in_time {
            self.place(timer, due);
        }
    }

    /// Whether the deadline of a timer is later than `now`.
    pub(crate) fn is_pending(&self, timer: Timer, now: Instant) -> bool {
        self.deadlines[timer.index()] > self.past(now)
    }

    /// Removes a timer.
    pub(crate) fn remove(&mut self, timer: Timer) {
        self.placed[timer.index()] = NOWHERE;
        self.free.push(timer);
    }

    /// Goes on to `now`. Returns the timers whose deadline passed; each fires once per deadline.
    pub(crate) fn advance(&mut self, now: Instant) -> Vec<Timer> {
        let mut fired = Vec::new();
        let until = self.past(now);
        while self.tick < until {
            self.tick += 1;
            if self.tick.is_multiple_of(SLOTS) {
                self.turn();
            }
            let slot = (self.tick % SLOTS) as usize;
            for timer in std::mem::take(&mut self.slots[slot]) {
                if self.placed[timer.index()] != self.tick {
                    continue;
                }
                self.placed[timer.index()] = NOWHERE;
                let due = self.deadlines[timer.index()];
                match due <= self.tick {
                    true => fired.push(timer),
                    false => self.place(timer, due),
                }
            }
        }
        fired
    }

    /// Puts what is due in this turn into its slots.
    fn turn(&mut self) {
        for timer in std::mem::take(&mut self.later) {
            if self.placed[timer.index()] == LATER {
                self.placed[timer.index()] = NOWHERE;
                self.place(timer, self.deadlines[timer.index()]);
            }
        }
    }

    fn place(&mut self, timer: Timer, due: u64) {
        if due >= self.next_turn() {
            self.placed[timer.index()] = LATER;
            self.later.push(timer);
            return;
        }
        // Within a turn, a tick that is now has its slot still before it.
        let due = due.max(self.tick);
        self.placed[timer.index()] = due;
        self.slots[(due % SLOTS) as usize].push(timer);
    }

    /// The first tick of the next turn.
    fn next_turn(&self) -> u64 {
        (self.tick / SLOTS + 1) * SLOTS
    }

    /// The first tick that is not before `deadline`.
    fn tick_of(&self, deadline: Instant) -> u64 {
        let since = deadline.saturating_duration_since(self.start);
        u64::try_from(since.as_nanos().div_ceil(TICK.as_nanos())).unwrap_or(LATER - 1)
    }

    /// The last tick that is not after `now`.
    fn past(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.start);
        u64::try_from(since.as_nanos() / TICK.as_nanos()).unwrap_or(LATER - 1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Add(u64),
        Set(usize, u64),
        Remove(usize),
        Advance(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let delay = prop_oneof![0_u64..2_000, 0_u64..200_000];
        let step = prop_oneof![
            delay.clone().prop_map(Step::Add),
            (any::<usize>(), delay.clone()).prop_map(|(at, ms)| Step::Set(at, ms)),
            any::<usize>().prop_map(Step::Remove),
            delay.prop_map(Step::Advance),
        ];
        prop::collection::vec(step, 1..200)
    }

    proptest! {
        /// Whatever is done to it, the wheel fires what a plain map of deadlines says, no more, no less,
        /// never early, and not later than the tick behind the deadline.
        #[test]
        fn the_wheel_fires_what_a_map_of_deadlines_says(steps in steps()) {
            let start = Instant::now();
            let mut now = start;
            let mut wheel = Wheel::new(start);
            // Deadline by timer; `None` once it has fired.
            let mut model: BTreeMap<Timer, Option<Instant>> = BTreeMap::new();
            let pick = |model: &BTreeMap<Timer, Option<Instant>>, at: usize| {
                model.keys().nth(at % model.len().max(1)).copied()
            };
            for step in steps {
                match step {
                    Step::Add(ms) => {
                        let deadline = now + Duration::from_millis(ms);
                        let timer = wheel.add(deadline);
                        prop_assert_eq!(model.insert(timer, Some(deadline)), None);
                    }
                    Step::Set(at, ms) => if let Some(timer) = pick(&model, at) {
                        let deadline = now + Duration::from_millis(ms);
                        wheel.set(timer, deadline);
                        model.insert(timer, Some(deadline));
                    }
                    Step::Remove(at) => if let Some(timer) = pick(&model, at) {
                        wheel.remove(timer);
                        model.remove(&timer);
                    }
                    Step::Advance(ms) => {
                        now += Duration::from_millis(ms);
                        let mut fired = wheel.advance(now);
                        fired.sort();
                        for timer in &fired {
                            let deadline = model.insert(*timer, None).flatten();
                            prop_assert!(deadline.is_some_and(|deadline| deadline <= now));
                        }
                        let late = model.values().flatten().filter(|at| **at + TICK + TICK <= now);
                        prop_assert_eq!(late.count(), 0);
                    }
                }
            }
        }
    }

    #[test]
    fn a_deadline_that_is_moved_in_time_never_passes() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        let ttl = Duration::from_secs(10);
        let timer = wheel.add(start + ttl);
        for second in 1..200 {
            let now = start + Duration::from_secs(second);
            assert_eq!(wheel.advance(now), []);
            wheel.set(timer, now + ttl);
        }
        let last = start + Duration::from_secs(199) + ttl;
        assert_eq!(wheel.advance(last - Duration::from_millis(1)), []);
        assert_eq!(wheel.advance(last + TICK), [timer]);
        assert_eq!(wheel.advance(last + ttl), []);
    }
}
