//! Collects [`RuntimeFacts`] from a binary, and notes what it does not tell.

use std::collections::BTreeMap;

use symbols::{GoBinary, Layouts, Unresolved};

use super::{
    GcFacts, HeapFacts, HistogramFacts, ProcessorFacts, RuntimeFacts, ThreadFacts,
    wanted::size_table,
};
use crate::runtime::{cells::Cell, histogram::Distribution};

/// Releases whose size classes are [`SIZES`](crate::runtime::heap::SIZES).
///
/// go-sym: runtime.class_to_size 1.17..=1.24 sizeclasses.go
/// go-sym: internal/runtime/gc.SizeClassToSize 1.25..=1.27 sizeclasses.go
const USUAL_SIZES: std::ops::RangeInclusive<u32> = 17..=27;

/// Generations of heap statistics: `[3]heapStatsDelta`.
pub(in crate::runtime) const GENERATIONS: u32 = 3;

impl RuntimeFacts {
    /// Collects them from a binary and the layouts of [`RUNTIME_STRUCTS`](super::RUNTIME_STRUCTS).
    ///
    /// # Errors
    /// What is missing, when not even GC cycles can be read.
    pub fn from_symbols(binary: &GoBinary<'_>, layouts: &Layouts) -> Result<Self, Vec<Unresolved>> {
        let mut lookup = Lookup {
            binary,
            layouts,
            minor: binary.go_version().minor,
            unresolved: Vec::new(),
        };
        let gc = lookup.gc();
        let cells = lookup.cells();
        let heap = lookup.heap();
        let processors = lookup.processors();
        let threads = lookup.threads();
        let histograms = lookup.histograms();
        let mut unresolved = lookup.unresolved;
        unresolved.sort_by(|one, other| one.what.cmp(&other.what));
        unresolved.dedup_by(|one, other| one.what == other.what);
        let Some(gc) = gc else {
            return Err(unresolved);
        };
        let segments = binary.segments().iter();
        Ok(Self {
            first_segment: segments.map(|segment| segment.vaddr).min().unwrap_or(0),
            minor: binary.go_version().minor,
            gc,
            cells,
            heap,
            processors,
            threads,
            histograms,
            unresolved,
        })
    }
}

/// Looks facts up and keeps what was not found.
struct Lookup<'a, 'd> {
    binary: &'a GoBinary<'d>,
    layouts: &'a Layouts,
    minor: u32,
    unresolved: Vec<Unresolved>,
}

impl Lookup<'_, '_> {
    fn variable(&mut self, name: &str) -> Option<u64> {
        let found = self.binary.variable(name);
        self.keep(found).map(|fact| fact.value.address)
    }

    fn field(&mut self, structure: &str, path: &str) -> Option<u32> {
        let found = self.layouts.field(structure, path);
        self.keep(found).map(|fact| fact.value)
    }

    fn keep<T>(&mut self, found: Result<T, Unresolved>) -> Option<T> {
        found.map_err(|missing| self.unresolved.push(missing)).ok()
    }

    fn gc(&mut self) -> Option<GcFacts> {
        let mut at = |path| self.field("runtime.mstats", path);
        let (last_gc_unix, pause_total_ns) = (at("last_gc_unix"), at("pause_total_ns"));
        let (pause_ns, pause_end, numgc) = (at("pause_ns"), at("pause_end"), at("numgc"));
        Some(GcFacts {
            memstats: self.variable("runtime.memstats")?,
            last_gc_unix: last_gc_unix?,
            pause_total_ns: pause_total_ns?,
            pause_ns: pause_ns?,
            pause_end: pause_end?,
            numgc: numgc?,
        })
    }

    /// The addresses of all numbers that this release has.
    fn cells(&mut self) -> BTreeMap<Cell, u64> {
        let mut found = BTreeMap::new();
        for cell in Cell::ALL {
            let place = cell.place();
            if !place.is_in(self.minor) {
                continue;
            }
            let variable = match self.binary.variable(place.variable) {
                // No great loss, and stripped programs that call no C do not tell it.
                Err(_) if *cell == Cell::CgoCalls => continue,
                found => self.keep(found).map(|fact| fact.value.address),
            };
            let offset = match place.field {
                Some((structure, path)) => self.field(structure, path),
                None => Some(0),
            };
            let address = variable
                .zip(offset)
                .and_then(|(variable, offset)| variable.checked_add(u64::from(offset)));
            if let Some(address) = address {
                found.insert(*cell, address);
            }
        }
        found
    }

    fn heap(&mut self) -> Option<HeapFacts> {
        let stats = self.field("runtime.mstats", "heapStats.stats");
        let memstats = self.variable("runtime.memstats");
        let stride = self.layouts.size("runtime.heapStatsDelta");
        let stride = self.keep(stride).map(|fact| fact.value);
        let has_pointer_bits = self.minor <= 24;
        let mut at = |path| self.field("runtime.heapStatsDelta", path);
        let in_pointer_bits = match has_pointer_bits {
            true => Some(at("inPtrScalarBits")?),
            false => None,
        };
        let mut facts = HeapFacts {
            committed: at("committed")?,
            released: at("released")?,
            in_heap: at("inHeap")?,
            in_stacks: at("inStacks")?,
            in_work_bufs: at("inWorkBufs")?,
            in_pointer_bits,
            tiny_allocs: at("tinyAllocCount")?,
            large_alloc: at("largeAlloc")?,
            large_alloc_count: at("largeAllocCount")?,
            small_alloc_count: at("smallAllocCount")?,
            large_free: at("largeFree")?,
            large_free_count: at("largeFreeCount")?,
            small_free_count: at("smallFreeCount")?,
            stats: memstats?.checked_add(u64::from(stats?))?,
            stride: stride?,
            sizes: None,
        };
        if !USUAL_SIZES.contains(&self.minor) || !facts.has_usual_classes() {
            facts.sizes = Some(self.variable(size_table(self.minor))?);
        }
        Some(facts)
    }

    fn processors(&mut self) -> Option<ProcessorFacts> {
        let table = self.variable("runtime.allp");
        let minor = self.minor;
        let mut at = |path| self.field("runtime.p", path);
        let created = match minor >= 26 {
            true => Some(at("goroutinesCreated")?),
            false => None,
        };
        Some(ProcessorFacts {
            status: at("status")?,
            queue_head: at("runqhead")?,
            queue_tail: at("runqtail")?,
            next: at("runnext")?,
            free: at(if minor >= 25 { "gFree.size" } else { "gFree.n" })?,
            created,
            table: table?,
        })
    }

    fn threads(&mut self) -> Option<ThreadFacts> {
        let head = self.variable("runtime.allm");
        let lock_wait = match self.minor >= 22 {
            true => Some(self.field("runtime.m", "mLockProfile.waitTime")?),
            false => None,
        };
        Some(ThreadFacts {
            next: self.field("runtime.m", "alllink")?,
            cgo_calls: self.field("runtime.m", "ncgocall")?,
            lock_wait,
            head: head?,
        })
    }

    fn histograms(&mut self) -> Option<HistogramFacts> {
        let mut places = BTreeMap::new();
        for one in Distribution::ALL {
            let Some((variable, structure, path)) = one.field(self.minor) else {
                continue;
            };
            let place = self
                .variable(variable)
                .zip(self.field(structure, path))
                .and_then(|(variable, offset)| variable.checked_add(u64::from(offset)));
            if let Some(place) = place {
                places.insert(*one, place);
            }
        }
        let minor = self.minor;
        let mut at = |path| self.field("runtime.timeHistogram", path);
        let (counts, underflow) = (at("counts")?, at("underflow")?);
        let overflow = match minor >= 20 {
            true => Some(at("overflow")?),
            false => None,
        };
        Some(HistogramFacts {
            places,
            counts,
            // The counts fill the room up to the field behind them.
            buckets: underflow.saturating_sub(counts) / 8,
            underflow,
            overflow,
        })
    }
}
