//! A random order, cheap: answers spread load, they keep no secret.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

/// The golden ratio in 64 bits: steps that reach every state (SplitMix64).
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A source of orders that many threads share.
#[derive(Debug)]
pub(super) struct Shuffle(AtomicU64);

impl Shuffle {
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(RandomState::new().build_hasher().finish()))
    }

    /// Puts `items` into any order, each equally likely (Fisher and Yates).
    pub(super) fn shuffle<T>(&self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let range = last as u64 + 1;
            let other = self.next() % range;
            items.swap(last, usize::try_from(other).unwrap_or(last));
        }
    }

    fn next(&self) -> u64 {
        let mut bits = self.0.fetch_add(STEP, Ordering::Relaxed);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_comes_first_about_as_often() {
        let shuffle = Shuffle::new();
        let mut first = [0_u32; 4];
        for _ in 0..4_000 {
            let mut items = [0, 1, 2, 3];
            shuffle.shuffle(&mut items);
            first[items[0]] += 1;
            items.sort_unstable();
            assert_eq!(items, [0, 1, 2, 3]);
        }
        // Six standard deviations around a thousand.
        assert!(
            first.iter().all(|count| (836..=1164).contains(count)),
            "{first:?}"
        );
    }
}
