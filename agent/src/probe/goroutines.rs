//! What the kernel side counts of goroutines, by target and creation site.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard},
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
        for key in of_targets(&sites, targets) {
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
        for key in of_targets(&sites, targets) {
            removed(sites.remove(&key), "GOROUTINE_SITES");
        }
        drop(sites);
        let mut marks = lock(&self.marks);
        let walk = marks.keys().take(2 * MAX_GOROUTINE_MARKS as usize);
        let old: Vec<GoroutineKey> = walk
            .filter_map(Result::ok)
            .filter(|key| targets.contains(&key.target))
            .collect();
        for key in old {
            removed(marks.remove(&key), "GOROUTINE_MARKS");
        }
    }
}

fn of_targets(
    sites: &MutexGuard<'_, BpfHashMap<MapData, SiteKey, SiteStats>>,
    targets: &HashSet<TargetRef>,
) -> Vec<SiteKey> {
    sites
        .keys()
        .take(2 * MAX_GOROUTINE_SITES as usize)
        .filter_map(Result::ok)
        .filter(|key| targets.contains(&key.target))
        .collect()
}

/// A walk may name a key twice, and a goroutine that exits takes its own mark.
fn removed(result: Result<(), MapError>, name: &'static str) {
    match result {
        Ok(()) | Err(MapError::KeyNotFound) => {}
        Err(error) => tracing::warn!(%error, map = name, "cannot free an entry"),
    }
}
