//! What the kernel side counts of goroutines, by target and creation site.

use std::{
    collections::{HashMap, HashSet},
    sync::Mutex,
};

use agent_ebpf::{
    goroutine::{SiteKey, SiteStats},
    limits::{MAX_GOROUTINE_MARKS, MAX_GOROUTINE_SITES},
    target::{GoroutineKey, TargetRef},
};
use aya::{
    Ebpf,
    maps::{Array, HashMap as BpfHashMap, MapData, MapError},
};

use super::{
    ProbeError,
    kernel::{lock, map, take},
};

/// What was counted at each creation site, by its address in the process.
pub type Sites = HashMap<u64, SiteStats>;

/// The maps of the goroutine and scheduler probes.
///
/// One lock for each map: the kernel starts a walk anew when the entry it stands on is removed, and only
/// the agent removes what is walked over.
pub struct Goroutines {
    watch: Mutex<Array<MapData, u32>>,
    sites: Mutex<BpfHashMap<MapData, SiteKey, SiteStats>>,
    marks: Mutex<BpfHashMap<MapData, GoroutineKey, u64>>,
}

impl Goroutines {
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self, ProbeError> {
        Ok(Self {
            watch: Mutex::new(take(ebpf, "GOROUTINE_WATCH")?),
            sites: Mutex::new(take(ebpf, "GOROUTINE_SITES")?),
            marks: Mutex::new(take(ebpf, "GOROUTINE_MARKS")?),
        })
    }

    /// Starts to count; to be called when all probes are attached.
    ///
    /// # Errors
    /// `Map` when the kernel refuses the entry.
    pub fn watch(&self, target: TargetRef) -> Result<(), ProbeError> {
        self.set(target, target.generation)
    }

    /// Stops to count. A hit under way may still be counted until the probes are detached.
    ///
    /// # Errors
    /// `Map` when the kernel refuses the entry.
    pub fn ignore(&self, target: TargetRef) -> Result<(), ProbeError> {
        self.set(target, 0)
    }

    fn set(&self, target: TargetRef, generation: u32) -> Result<(), ProbeError> {
        lock(&self.watch)
            .set(target.slot, generation, 0)
            .map_err(|error| map("GOROUTINE_WATCH", error))
    }

    /// What was counted of these targets since [`Goroutines::forget`], in one walk over all sites. While a
    /// target is watched, a site that is new may be missed; it is there the next time.
    #[must_use]
    pub fn read(&self, targets: &HashSet<TargetRef>) -> HashMap<TargetRef, Sites> {
        let sites = lock(&self.sites);
        let mut counted: HashMap<TargetRef, Sites> = HashMap::new();
        for key in sites_of(&sites, targets) {
            if let Ok(stats) = sites.get(&key, 0) {
                counted.entry(key.target).or_default().insert(key.pc, stats);
            }
        }
        counted
    }

    /// Frees what is kept of targets whose probes are detached, in one walk over each map.
    pub fn forget(&self, targets: &HashSet<TargetRef>) {
        if targets.is_empty() {
            return;
        }
        let mut sites = lock(&self.sites);
        for key in sites_of(&sites, targets) {
            removed(sites.remove(&key), "GOROUTINE_SITES");
        }
        drop(sites);
        let mut marks = lock(&self.marks);
        let target = |key: &GoroutineKey| key.target;
        let old = of_targets(marks.keys(), MAX_GOROUTINE_MARKS, target, targets);
        for key in old {
            removed(marks.remove(&key), "GOROUTINE_MARKS");
        }
    }
}

fn sites_of(
    sites: &BpfHashMap<MapData, SiteKey, SiteStats>,
    targets: &HashSet<TargetRef>,
) -> Vec<SiteKey> {
    of_targets(sites.keys(), MAX_GOROUTINE_SITES, |key| key.target, targets)
}

/// The keys of these targets, in one walk over a map that holds no more than so many entries: however many
/// targets there are, each entry is asked for once, and the walk ends even if the kernel begins it anew.
fn of_targets<K>(
    keys: impl Iterator<Item = Result<K, MapError>>,
    entries: u32,
    target: impl Fn(&K) -> TargetRef,
    targets: &HashSet<TargetRef>,
) -> Vec<K> {
    keys.take(2 * entries as usize)
        .filter_map(Result::ok)
        .filter(|key| targets.contains(&target(key)))
        .collect()
}

/// A walk may name a key twice, and a goroutine that exits takes its own mark.
fn removed(result: Result<(), MapError>, name: &'static str) {
    match result {
        Ok(()) | Err(MapError::KeyNotFound) => {}
        Err(error) => tracing::warn!(%error, map = name, "cannot free an entry"),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn target(slot: u32) -> TargetRef {
        TargetRef {
            slot,
            generation: 1,
        }
    }

    #[test]
    fn a_hundred_targets_cost_one_walk() {
        let asked = Cell::new(0);
        let keys = (0..5_000).map(|entry| {
            asked.set(asked.get() + 1);
            Ok((target(entry % 200), entry))
        });
        let targets: HashSet<TargetRef> = (0..100).map(target).collect();
        let found = of_targets(keys, 5_000, |(target, _)| *target, &targets);
        assert_eq!((found.len(), asked.get()), (2_500, 5_000));
    }

    #[test]
    fn a_walk_that_begins_anew_for_ever_ends() {
        let keys = std::iter::repeat_with(|| Ok((target(1), 7)));
        let found = of_targets(keys, 10, |(target, _)| *target, &HashSet::from([target(1)]));
        assert_eq!(found.len(), 20);
    }
}
