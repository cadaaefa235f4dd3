//! What the Go programs say of themselves.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What `httpcount` says of itself at `/stats`; the request itself is counted.
#[derive(Debug, Deserialize)]
pub struct HttpCountStats {
    /// Its process id.
    pub pid: u32,
    /// How often it has executed itself.
    pub generation: u32,
    /// Requests by pattern.
    pub requests: BTreeMap<String, u64>,
    /// Writes to stdout and stderr, without those of the buffered logger.
    pub log_writes: u64,
    /// Garbage collections.
    pub memory: MemoryStats,
}

/// The Go runtime's record of its garbage collections.
#[derive(Debug, Deserialize)]
pub struct MemoryStats {
    /// Cycles finished.
    pub num_gc: u64,
    /// Of these, those that the program asked for.
    pub num_forced_gc: u64,
    /// Sum of all pauses in ns.
    pub pause_total_ns: u64,
    /// Pause of cycle `n` at `(n + 255) % 256`, in ns.
    pub pause_ns: Vec<u64>,
    /// End of cycle `n` at `(n + 255) % 256`, in ns since 1970.
    pub pause_end: Vec<u64>,
    /// Goroutines.
    pub goroutines: u64,
}

impl MemoryStats {
    /// Pauses of the last `count` cycles in ns, newest last.
    ///
    /// # Panics
    /// When the record does not go back that far.
    #[must_use]
    pub fn last_pauses(&self, count: usize) -> Vec<u64> {
        self.last_of(&self.pause_ns, count)
    }

    /// Ends of the last `count` cycles in ns since 1970, newest last.
    ///
    /// # Panics
    /// As [`Self::last_pauses`].
    #[must_use]
    pub fn last_ends(&self, count: usize) -> Vec<u64> {
        self.last_of(&self.pause_end, count)
    }

    fn last_of(&self, entries: &[u64], count: usize) -> Vec<u64> {
        let ring = entries.len();
        let cycles = usize::try_from(self.num_gc).expect("fewer cycles than addresses");
        assert!(
            count <= cycles.min(ring),
            "{count} of {cycles} pauses asked"
        );
        (cycles - count + 1..=cycles)
            .map(|cycle| entries[(cycle + ring - 1) % ring])
            .collect()
    }
}

/// What `spawn` says of goroutines it was asked for.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Spawned {
    /// How many.
    pub goroutines: u64,
    /// No shorter than this did they live, or wait, together.
    pub least_ns: u64,
    /// No longer than this.
    pub most_ns: u64,
    /// Waits of 32,768 ns or more in the runtime's own histogram, one in eight.
    pub sampled: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_read_around_the_end_of_the_ring() {
        let mut stats = MemoryStats {
            num_gc: 258,
            num_forced_gc: 0,
            pause_total_ns: 0,
            pause_ns: (1..=256).collect(),
            pause_end: Vec::new(),
            goroutines: 1,
        };
        stats.pause_ns[0] = 257;
        stats.pause_ns[1] = 258;
        assert_eq!(stats.last_pauses(3), [256, 257, 258]);
    }
}
