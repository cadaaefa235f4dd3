//! Processor time for goroutine profiles, of all targets together.

use std::time::{Duration, Instant};

/// They may use one part in so many of one processor's time.
const SHARE: u32 = 100;
/// The time of so long that was not used may be used later: a tenth of a second of processor time.
const SAVED: Duration = Duration::from_secs(10);

/// What a profile takes is known behind it: the next one waits until the time that passed has paid for it.
#[derive(Debug)]
pub(super) struct Budget {
    paid: Instant,
}

impl Budget {
    pub(super) fn new(now: Instant) -> Self {
        Self { paid: saved(now) }
    }

    /// From when on the next profile may begin.
    pub(super) fn free(&self) -> Instant {
        self.paid
    }

    /// Takes note of processor time that was used.
    pub(super) fn spend(&mut self, used: Duration, now: Instant) {
        let from = self.paid.max(saved(now));
        self.paid = from.checked_add(used.saturating_mul(SHARE)).unwrap_or(from);
    }
}

fn saved(now: Instant) -> Instant {
    now.checked_sub(SAVED).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uses all it may for so long, in profiles of 30 ms; answers the processor time.
    fn use_all(budget: &mut Budget, from: Instant, length: Duration) -> Duration {
        let profile = Duration::from_millis(30);
        let mut used = Duration::ZERO;
        let mut now = from;
        while now < from + length {
            used += profile;
            now += profile;
            budget.spend(profile, now);
            now = now.max(budget.free());
        }
        used
    }

    #[test]
    fn profiles_take_a_hundredth_of_a_processor() {
        let now = Instant::now() + 10 * SAVED;
        let mut budget = Budget::new(now);
        let used = use_all(&mut budget, now, Duration::from_secs(1_000));
        assert!(used >= Duration::from_secs(10), "{used:?}");
        assert!(used <= Duration::from_millis(10_130), "{used:?}");
    }

    #[test]
    fn little_is_saved_for_later() {
        let now = Instant::now() + 10 * SAVED;
        let mut budget = Budget::new(now);
        let day = Duration::from_secs(86_400);
        let used = use_all(&mut budget, now + day, Duration::from_secs(1));
        assert!(used <= Duration::from_millis(140), "{used:?}");
    }
}
