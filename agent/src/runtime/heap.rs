//! Heap statistics: the sum of three generations, as runtime/metrics adds them.

use std::sync::Arc;

use super::{
    HeapFacts,
    facts::GENERATIONS,
    memory::{Copied, Place},
};

/// Objects by size: allocated and freed ones.
pub(super) type BySize = [Arc<SizeCounts>; 2];

/// Where in the copy the generations and the sizes of the classes are, and what was counted the last time.
#[derive(Debug)]
pub(super) struct HeapCopy {
    facts: HeapFacts,
    generations: usize,
    only_rises: bool,
    last: Option<([Objects; 2], BySize)>,
    /// None where the release is known to have [`SIZES`].
    sizes: Option<usize>,
}

/// Sizes of small objects by class, the same in every release up to Go 1.27.
///
/// # Units   bytes
pub(super) const SIZES: [u16; 68] = [
    0, 8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 288, 320,
    352, 384, 416, 448, 480, 512, 576, 640, 704, 768, 896, 1024, 1152, 1280, 1408, 1536, 1792,
    2048, 2304, 2688, 3072, 3200, 3456, 4096, 4864, 5376, 6144, 6528, 6784, 6912, 8192, 9472, 9728,
    10240, 10880, 12288, 13568, 14336, 16384, 18432, 19072, 20480, 21760, 24576, 27264, 28672,
    32768,
];

/// Objects by size.
///
/// # Layout   one entry per class of small objects: largest size in bytes, count
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SizeCounts {
    /// Ordered by size.
    pub small: Vec<(u16, u64)>,
    /// Objects larger than all classes.
    pub large: u64,
    /// All of them together, in bytes.
    pub bytes: u64,
}

impl SizeCounts {
    /// All objects.
    #[must_use]
    pub fn count(&self) -> u64 {
        let small = self.small.iter().map(|(_, count)| *count);
        small.fold(self.large, u64::wrapping_add)
    }
}

/// Objects that were allocated, or freed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Objects {
    /// How many, and how many of them are larger than all classes.
    pub(super) count: u64,
    large: u64,
    pub(super) bytes: u64,
}

/// The sums.
///
/// # Units   bytes, but for counts of objects
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct HeapTotals {
    pub(super) committed: u64,
    pub(super) released: u64,
    pub(super) in_heap: u64,
    pub(super) in_stacks: u64,
    /// Work buffers and, up to Go 1.24, pointer bits.
    pub(super) in_metadata: u64,
    pub(super) tiny_allocs: u64,
    pub(super) allocated: Objects,
    pub(super) freed: Objects,
}

impl HeapCopy {
    /// For Go 1.`minor`; `at` tells where in the copy an address is.
    pub(super) fn new(facts: &HeapFacts, minor: u32, base: u64, at: impl Fn(u64) -> usize) -> Self {
        Self {
            generations: at(base.wrapping_add(facts.stats)),
            sizes: facts.sizes.map(|sizes| at(base.wrapping_add(sizes))),
            only_rises: minor >= 19,
            last: None,
            facts: facts.clone(),
        }
    }

    /// What must be copied of a process that the binary was loaded at `base` of.
    pub(super) fn wanted(facts: &HeapFacts, base: u64) -> impl Iterator<Item = Place> {
        let bytes = |count: u32| usize::try_from(count).unwrap_or_default();
        let all = bytes(facts.stride.saturating_mul(GENERATIONS));
        let sizes = bytes(facts.classes().saturating_mul(2));
        let sizes = facts
            .sizes
            .map(|address| (base.wrapping_add(address), sizes));
        [(base.wrapping_add(facts.stats), all)]
            .into_iter()
            .chain(sizes)
    }

    /// Sums; none when a sum cannot be, because the program merged two generations meanwhile.
    pub(super) fn totals(&self, copied: Copied<'_>) -> Option<HeapTotals> {
        let facts = &self.facts;
        let sum = |offset| self.sum(copied, offset);
        let totals = HeapTotals {
            committed: sum(facts.committed),
            released: sum(facts.released),
            in_heap: sum(facts.in_heap),
            in_stacks: sum(facts.in_stacks),
            in_metadata: sum(facts.in_work_bufs).wrapping_add(facts.in_pointer_bits.map_or(0, sum)),
            tiny_allocs: sum(facts.tiny_allocs),
            allocated: self.objects(
                copied,
                facts.small_alloc_count,
                (sum(facts.large_alloc_count), sum(facts.large_alloc)),
            ),
            freed: self.objects(
                copied,
                facts.small_free_count,
                (sum(facts.large_free_count), sum(facts.large_free)),
            ),
        };
        totals.can_be().then_some(totals)
    }

    /// Allocated and freed objects by size; shared with the last time when all sums are the same. No count falls
    /// from Go 1.19 on, so that with the same sums all counts are the same.
    pub(super) fn by_size(&mut self, copied: Copied<'_>, totals: &HeapTotals) -> BySize {
        let objects = [totals.allocated, totals.freed];
        if let Some((known, sizes)) = &self.last
            && *known == objects
            && self.only_rises
        {
            return sizes.clone();
        }
        let sizes = [
            self.sizes(copied, self.facts.small_alloc_count, totals.allocated),
            self.sizes(copied, self.facts.small_free_count, totals.freed),
        ];
        self.last = Some((objects, sizes.clone()));
        sizes
    }

    fn sizes(&self, copied: Copied<'_>, small: u32, objects: Objects) -> Arc<SizeCounts> {
        Arc::new(SizeCounts {
            small: self.small(copied, small).collect(),
            large: objects.large,
            bytes: objects.bytes,
        })
    }

    fn objects(&self, copied: Copied<'_>, small: u32, (large, bytes): (u64, u64)) -> Objects {
        let mut objects = Objects {
            count: large,
            large,
            bytes,
        };
        for (size, count) in self.small(copied, small) {
            objects.count = objects.count.wrapping_add(count);
            let bytes = count.wrapping_mul(u64::from(size));
            objects.bytes = objects.bytes.wrapping_add(bytes);
        }
        objects
    }

    /// Size and count of the classes whose counts begin at an offset in each generation.
    fn small<'c>(&self, copied: Copied<'c>, offset: u32) -> impl Iterator<Item = (u16, u64)> {
        let classes = usize::try_from(self.facts.classes()).unwrap_or_default();
        let counts = |generation| copied.numbers(self.at(generation, offset), classes);
        let counts = counts(0).zip(counts(1)).zip(counts(2));
        let sizes = self.sizes.map(|sizes| copied.from(sizes));
        let size = move |class: usize| match sizes {
            Some(sizes) => sizes.u16_at(2 * class),
            None => SIZES.get(class).copied().unwrap_or(0),
        };
        counts
            .enumerate()
            .map(move |(class, ((first, second), third))| {
                (size(class), first.wrapping_add(second).wrapping_add(third))
            })
    }

    /// A field summed over the generations, each of which may be negative by itself.
    fn sum(&self, copied: Copied<'_>, offset: u32) -> u64 {
        (0..GENERATIONS)
            .map(|generation| copied.u64_at(self.at(generation, offset)))
            .fold(0, u64::wrapping_add)
    }

    /// Where in the copy a field of a generation is.
    fn at(&self, generation: u32, offset: u32) -> usize {
        let inside = generation
            .saturating_mul(self.facts.stride)
            .saturating_add(offset);
        usize::try_from(inside).map_or(usize::MAX, |inside| self.generations.saturating_add(inside))
    }
}

impl HeapTotals {
    fn can_be(&self) -> bool {
        let in_use = self
            .in_heap
            .checked_add(self.in_stacks)
            .and_then(|sum| sum.checked_add(self.in_metadata));
        in_use.is_some_and(|in_use| in_use <= self.committed)
            && self.released.cast_signed() >= 0
            && self.committed.cast_signed() >= 0
            && self.freed.bytes <= self.allocated.bytes
            && self.freed.count <= self.allocated.count
            && self.objects_bytes() <= self.in_heap
    }

    /// Bytes of objects that are there, dead ones that were not swept yet too.
    pub(super) fn objects_bytes(&self) -> u64 {
        self.allocated.bytes.wrapping_sub(self.freed.bytes)
    }
}
