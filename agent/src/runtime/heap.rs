//! Heap statistics: the sum of three generations, as runtime/metrics adds them.

use super::{HeapFacts, facts::GENERATIONS, memory::Piece};

/// The copied generations and the sizes of the classes.
#[derive(Debug)]
pub(super) struct HeapCopy {
    facts: HeapFacts,
    generations: Piece,
    /// None where the release is known to have [`SIZES`].
    sizes: Option<Piece>,
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
    pub(super) allocated: SizeCounts,
    pub(super) freed: SizeCounts,
}

impl HeapCopy {
    pub(super) fn new(facts: &HeapFacts, base: u64) -> Self {
        let bytes = |count: u32| usize::try_from(count).unwrap_or_default();
        Self {
            generations: Piece::new(
                base.wrapping_add(facts.stats),
                bytes(facts.stride.saturating_mul(GENERATIONS)),
            ),
            sizes: facts.sizes.map(|sizes| {
                Piece::new(
                    base.wrapping_add(sizes),
                    bytes(facts.classes().saturating_mul(2)),
                )
            }),
            facts: facts.clone(),
        }
    }

    pub(super) fn pieces(&mut self) -> impl Iterator<Item = &mut Piece> {
        std::iter::once(&mut self.generations).chain(&mut self.sizes)
    }

    /// Sums; none when a sum cannot be, because the program merged two generations meanwhile.
    pub(super) fn totals(&self) -> Option<HeapTotals> {
        let facts = &self.facts;
        let pointer_bits = facts.in_pointer_bits.map_or(0, |offset| self.sum(offset));
        let totals = HeapTotals {
            committed: self.sum(facts.committed),
            released: self.sum(facts.released),
            in_heap: self.sum(facts.in_heap),
            in_stacks: self.sum(facts.in_stacks),
            in_metadata: self.sum(facts.in_work_bufs).wrapping_add(pointer_bits),
            tiny_allocs: self.sum(facts.tiny_allocs),
            allocated: self.by_size(
                facts.small_alloc_count,
                facts.large_alloc,
                facts.large_alloc_count,
            ),
            freed: self.by_size(
                facts.small_free_count,
                facts.large_free,
                facts.large_free_count,
            ),
        };
        totals.can_be().then_some(totals)
    }

    fn by_size(&self, small: u32, large_bytes: u32, large_count: u32) -> SizeCounts {
        let mut counts = SizeCounts {
            large: self.sum(large_count),
            bytes: self.sum(large_bytes),
            ..SizeCounts::default()
        };
        for class in 0..self.facts.classes() {
            let count = self.sum(small.saturating_add(8 * class));
            let size = self.size(class);
            counts.bytes = counts
                .bytes
                .wrapping_add(count.wrapping_mul(u64::from(size)));
            counts.small.push((size, count));
        }
        counts
    }

    fn size(&self, class: u32) -> u16 {
        let class = usize::try_from(class).unwrap_or(usize::MAX);
        match &self.sizes {
            Some(sizes) => sizes.u16_at(class.saturating_mul(2)),
            None => SIZES.get(class).copied().unwrap_or(0),
        }
    }

    /// A field summed over the generations, each of which may be negative by itself.
    fn sum(&self, offset: u32) -> u64 {
        let field = |generation: u32| {
            let at = generation
                .saturating_mul(self.facts.stride)
                .saturating_add(offset);
            self.generations
                .u64_at(usize::try_from(at).unwrap_or(usize::MAX))
        };
        (0..GENERATIONS).map(field).fold(0, u64::wrapping_add)
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
            && self.freed.count() <= self.allocated.count()
            && self.objects_bytes() <= self.in_heap
    }

    /// Bytes of objects that are there, dead ones that were not swept yet too.
    pub(super) fn objects_bytes(&self) -> u64 {
        self.allocated.bytes.wrapping_sub(self.freed.bytes)
    }
}
