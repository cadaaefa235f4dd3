//! Pauses between tries that fail.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

/// Pauses that double from `first` to `most`, each up to a quarter longer or shorter, so that the nodes that
/// lost a server together do not come back to it together.
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    most: Duration,
    next: Duration,
}

impl Backoff {
    pub(super) fn new(first: Duration, most: Duration) -> Self {
        Self {
            first,
            most,
            next: first,
        }
    }

    /// A try was good: the next pause is the first one again.
    pub(super) fn reset(&mut self) {
        self.next = self.first;
    }

    /// Waits before the next try.
    pub(super) async fn pause(&mut self) {
        tokio::time::sleep(self.step()).await;
    }

    fn step(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.most);
        pause * 3 / 4 + pause.mul_f64(random()) / 2
    }
}

/// A number from 0 to 1. Each state of a hash map begins with random keys, which is good enough here.
fn random() -> f64 {
    let drawn = RandomState::new().build_hasher().finish();
    f64::from(u32::try_from(drawn >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew_after_a_good_try() {
        let seconds = Duration::from_secs;
        let mut backoff = Backoff::new(seconds(1), seconds(4));
        for expected in [1, 2, 4, 4] {
            let pause = backoff.step().as_secs_f64() / f64::from(expected);
            assert!((0.75..=1.25).contains(&pause), "{pause} of {expected} s");
        }
        backoff.reset();
        assert!(backoff.step() <= seconds(1) * 5 / 4);
    }
}
