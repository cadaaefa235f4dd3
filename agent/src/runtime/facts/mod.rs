//! Where a binary keeps the runtime variables that are read.
//!
//! Worked out once per binary, by the child process that reads it; a process only adds where it is loaded.

mod lookup;
mod wanted;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{cells::Cell, histogram::Distribution, memory::Place};
pub(super) use lookup::GENERATIONS;
pub use wanted::{RUNTIME_STRUCTS, wanted_fields, wanted_variables};

/// Everything the reader needs to know of one binary; addresses are those of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeFacts {
    /// Lowest address of a loaded segment, against which the load base is found.
    pub first_segment: u64,
    /// Release of Go 1.x: which variables there are, and how some figures are computed.
    pub minor: u32,
    /// GC cycles and pauses. Without these nothing is read.
    pub gc: GcFacts,
    /// Addresses of single numbers; those that the binary does not tell are missing.
    pub cells: BTreeMap<Cell, u64>,
    /// Heap statistics.
    pub heap: Option<HeapFacts>,
    /// Processors.
    pub processors: Option<ProcessorFacts>,
    /// Threads.
    pub threads: Option<ThreadFacts>,
    /// The runtime's own histograms.
    pub histograms: Option<HistogramFacts>,
    /// What is missing, and why. Taken out before the facts travel between processes.
    #[serde(skip)]
    pub unresolved: Vec<symbols::Unresolved>,
}

/// `runtime.memstats`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GcFacts {
    /// Address of the variable.
    pub memstats: u64,
    /// go-off: runtime.mstats.last_gc_unix
    pub last_gc_unix: u32,
    /// go-off: runtime.mstats.pause_total_ns
    pub pause_total_ns: u32,
    /// go-off: runtime.mstats.pause_ns
    pub pause_ns: u32,
    /// go-off: runtime.mstats.pause_end
    pub pause_end: u32,
    /// go-off: runtime.mstats.numgc
    pub numgc: u32,
}

/// `runtime.memstats.heapStats`: three generations of `runtime.heapStatsDelta`, to be summed.
///
/// # Units   offsets in bytes within one generation
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeapFacts {
    /// Address of the first generation.
    pub stats: u64,
    /// From one generation to the next.
    pub stride: u32,
    /// Address of the sizes of small objects by class, 16 bits each; none when the release is known to have
    /// the usual ones.
    pub sizes: Option<u64>,
    /// go-off: runtime.heapStatsDelta.committed
    pub committed: u32,
    /// go-off: runtime.heapStatsDelta.released
    pub released: u32,
    /// go-off: runtime.heapStatsDelta.inHeap
    pub in_heap: u32,
    /// go-off: runtime.heapStatsDelta.inStacks
    pub in_stacks: u32,
    /// go-off: runtime.heapStatsDelta.inWorkBufs
    pub in_work_bufs: u32,
    /// go-off: runtime.heapStatsDelta.inPtrScalarBits ..=1.24
    pub in_pointer_bits: Option<u32>,
    /// go-off: runtime.heapStatsDelta.tinyAllocCount
    pub tiny_allocs: u32,
    /// go-off: runtime.heapStatsDelta.largeAlloc
    pub large_alloc: u32,
    /// go-off: runtime.heapStatsDelta.largeAllocCount
    pub large_alloc_count: u32,
    /// go-off: runtime.heapStatsDelta.smallAllocCount
    pub small_alloc_count: u32,
    /// go-off: runtime.heapStatsDelta.largeFree
    pub large_free: u32,
    /// go-off: runtime.heapStatsDelta.largeFreeCount
    pub large_free_count: u32,
    /// go-off: runtime.heapStatsDelta.smallFreeCount
    pub small_free_count: u32,
}

/// `runtime.allp` and the fields of a `runtime.p`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessorFacts {
    /// Address of the slice of pointers.
    pub table: u64,
    /// go-off: runtime.p.status
    pub status: u32,
    /// go-off: runtime.p.runqhead
    pub queue_head: u32,
    /// go-off: runtime.p.runqtail
    pub queue_tail: u32,
    /// go-off: runtime.p.runnext
    pub next: u32,
    /// `gFree.n`, from Go 1.25 on `gFree.size`.
    pub free: u32,
    /// go-off: runtime.p.goroutinesCreated 1.26..=
    pub created: Option<u32>,
}

/// `runtime.allm` and the fields of a `runtime.m`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadFacts {
    /// Address of the pointer to the first one.
    pub head: u64,
    /// go-off: runtime.m.alllink
    pub next: u32,
    /// go-off: runtime.m.ncgocall
    pub cgo_calls: u32,
    /// go-off: runtime.m.mLockProfile.waitTime 1.22..=
    pub lock_wait: Option<u32>,
}

/// `runtime.timeHistogram` and the variables that are one.
///
/// # Units   offsets in bytes within one histogram
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistogramFacts {
    /// Addresses of the histograms.
    pub places: BTreeMap<Distribution, u64>,
    /// go-off: runtime.timeHistogram.counts
    pub counts: u32,
    /// How many counts there are: 160, up to Go 1.19 720.
    pub buckets: u32,
    /// go-off: runtime.timeHistogram.underflow
    pub underflow: u32,
    /// go-off: runtime.timeHistogram.overflow 1.20..=
    pub overflow: Option<u32>,
}

impl RuntimeFacts {
    /// The single numbers and their places in a process that the binary was loaded at `base` of.
    pub(super) fn cells(&self, base: u64) -> impl Iterator<Item = (Cell, Place)> {
        self.cells.iter().map(move |(cell, address)| {
            let length = cell.place().width.bytes();
            (*cell, (base.wrapping_add(*address), length))
        })
    }

    /// Addresses of all variables that are read.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = u64> {
        let heap = self
            .heap
            .iter()
            .flat_map(|heap| [Some(heap.stats), heap.sizes]);
        let heap = heap.flatten();
        let histograms = self.histograms.iter().flat_map(|all| all.places.values());
        std::iter::once(self.gc.memstats)
            .chain(self.cells.values().copied())
            .chain(heap)
            .chain(self.processors.iter().map(|facts| facts.table))
            .chain(self.threads.iter().map(|facts| facts.head))
            .chain(histograms.copied())
    }

    /// Offsets of all fields that are read, and sizes of arrays.
    pub(crate) fn offsets(&self) -> impl Iterator<Item = u32> {
        let gc = &self.gc;
        let gc = [
            gc.last_gc_unix,
            gc.pause_total_ns,
            gc.pause_ns,
            gc.pause_end,
            gc.numgc,
        ];
        let processors = self.processors.iter().flat_map(|facts| {
            let always = [facts.status, facts.queue_head, facts.queue_tail];
            let rest = [facts.next, facts.free];
            always.into_iter().chain(rest).chain(facts.created)
        });
        let threads = self.threads.iter().flat_map(|facts| {
            [facts.next, facts.cgo_calls]
                .into_iter()
                .chain(facts.lock_wait)
        });
        let histograms = self.histograms.iter().flat_map(|facts| {
            let always = [facts.counts, facts.buckets, facts.underflow];
            always.into_iter().chain(facts.overflow)
        });
        gc.into_iter()
            .chain(self.heap.iter().flat_map(HeapFacts::offsets))
            .chain(processors)
            .chain(threads)
            .chain(histograms)
    }
}

/// Buckets that histograms of times have had.
const BUCKETS: [u32; 2] = [160, 720];
/// Most bytes from the first to the last field of what is copied in one piece.
const MAX_SPREAD: u32 = 2_048;
/// Most bytes of one generation of heap statistics.
const MAX_HEAP_STATS: u32 = 16_384;

impl RuntimeFacts {
    /// Whether what is copied is as small as in any Go runtime, and in the order in which it is copied.
    pub(crate) fn is_compact(&self) -> bool {
        let is_near = |first: u32, last: u32| {
            last.checked_sub(first)
                .is_some_and(|spread| spread <= MAX_SPREAD)
        };
        let processors = self.processors.as_ref().is_none_or(|facts| {
            is_near(facts.status, facts.queue_head)
                && is_near(facts.status, facts.queue_tail)
                && is_near(facts.next, facts.free)
        });
        let threads = self.threads.as_ref().is_none_or(|facts| {
            let fields = [facts.next, facts.cgo_calls]
                .into_iter()
                .chain(facts.lock_wait);
            let (first, last) = (fields.clone().min(), fields.max());
            is_near(first.unwrap_or(0), last.unwrap_or(0))
        });
        let heap = self.heap.as_ref().is_none_or(|facts| {
            facts.stride <= MAX_HEAP_STATS
                && facts.classes() <= MAX_SPREAD
                && (facts.sizes.is_some() || facts.has_usual_classes())
                && facts.offsets().all(|offset| offset <= facts.stride)
        });
        let histograms = self.histograms.as_ref().is_none_or(|facts| {
            BUCKETS.contains(&facts.buckets)
                && is_near(0, facts.counts)
                && facts
                    .overflow
                    .is_none_or(|end| end <= facts.underflow + MAX_SPREAD)
        });
        processors && threads && heap && histograms
    }
}

impl HeapFacts {
    fn offsets(&self) -> impl Iterator<Item = u32> + use<> {
        [
            self.stride,
            self.committed,
            self.released,
            self.in_heap,
            self.in_stacks,
            self.in_work_bufs,
            self.tiny_allocs,
            self.large_alloc,
            self.large_alloc_count,
            self.small_alloc_count,
            self.large_free,
            self.large_free_count,
            self.small_free_count,
        ]
        .into_iter()
        .chain(self.in_pointer_bits)
    }

    /// Whether there are as many classes as every release has had.
    pub(super) fn has_usual_classes(&self) -> bool {
        usize::try_from(self.classes()).is_ok_and(|classes| classes == super::heap::SIZES.len())
    }

    /// Classes of small objects: the counts fill the room up to the next field.
    pub(super) fn classes(&self) -> u32 {
        self.large_free.saturating_sub(self.small_alloc_count) / 8
    }
}
