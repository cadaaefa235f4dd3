//! Counts by creation site, and the times at which goroutines began something.

use agent_ebpf::{
    counter::Counter,
    goroutine::{DURATIONS, STACKS, SiteKey, SiteStats, duration_bucket, stack_class},
};
use aya_ebpf::bindings::{BPF_ANY, BPF_NOEXIST};
use core::mem::offset_of;

use super::{
    hit::{Hit, now},
    maps::{GOROUTINE_MARKS, GOROUTINE_SITES, GOROUTINE_WATCH, GOROUTINE_ZERO, add},
    read,
};

/// `-EEXIST` of `bpf_map_update_elem`.
const EXISTS: i32 = -17;

/// Whether the goroutines of the target are being counted. Probes of the others are already or still
/// attached; what they see belongs to no window.
#[inline(always)]
pub(super) fn is_watched(hit: &Hit<'_>) -> bool {
    match GOROUTINE_WATCH.get(hit.target.slot) {
        Some(generation) => *generation == hit.target.generation,
        None => false,
    }
}

/// What is counted of one creation site.
#[derive(Clone, Copy)]
pub(super) struct Site(*mut SiteStats);

impl Site {
    /// The site of this address, new when nothing was counted there.
    #[inline(always)]
    pub(super) fn at(hit: &Hit<'_>, pc: u64) -> Result<Self, Counter> {
        let key = SiteKey {
            target: hit.target,
            pc,
        };
        if let Some(stats) = GOROUTINE_SITES.get_ptr_mut(key) {
            return Ok(Self(stats));
        }
        let zero = GOROUTINE_ZERO.get(0).ok_or(Counter::GoroutineSitesFull)?;
        match GOROUTINE_SITES.insert(key, zero, u64::from(BPF_NOEXIST)) {
            // Another processor may have been faster.
            Ok(()) | Err(EXISTS) => {}
            Err(_) => return Err(Counter::GoroutineSitesFull),
        }
        GOROUTINE_SITES
            .get_ptr_mut(key)
            .map(Self)
            .ok_or(Counter::GoroutineSitesFull)
    }

    /// The site at which a goroutine was created.
    #[inline(always)]
    pub(super) fn of(hit: &Hit<'_>, g: u64) -> Result<Self, Counter> {
        Self::at(hit, read::at(g, hit.offsets.g_gopc)?)
    }

    #[inline(always)]
    pub(super) fn begun(self) {
        self.add_at(offset_of!(SiteStats, begun), 0, 1);
    }

    #[inline(always)]
    pub(super) fn ended(self) {
        self.add_at(offset_of!(SiteStats, ended), 0, 1);
    }

    #[inline(always)]
    pub(super) fn lasted(self, ns: u64) {
        let bucket = duration_bucket(ns) & (DURATIONS - 1);
        self.add_at(offset_of!(SiteStats, durations), bucket, 1);
        self.add_at(offset_of!(SiteStats, duration_ns), 0, ns);
    }

    #[inline(always)]
    pub(super) fn stack(self, bytes: u64) {
        let class = stack_class(bytes) & (STACKS - 1);
        self.add_at(offset_of!(SiteStats, stacks), class, 1);
        self.add_at(offset_of!(SiteStats, stack_bytes), 0, bytes);
    }

    /// Adds to word `index` of the field at `offset`, which has that many.
    #[inline(always)]
    fn add_at(self, offset: usize, index: usize, amount: u64) {
        let field = self.0.cast::<u8>().wrapping_add(offset).cast::<u64>();
        add(field.wrapping_add(index), amount);
    }
}

/// Remembers that something begins for a goroutine now.
#[inline(always)]
pub(super) fn mark(hit: &Hit<'_>, g: u64) -> Result<(), Counter> {
    let key = hit.key(goid(hit, g)?);
    GOROUTINE_MARKS
        .insert(key, now(), u64::from(BPF_ANY))
        .map_err(|_errno| Counter::GoroutineMarksFull)
}

/// Takes the mark of a goroutine and answers how long ago it was made; none when it began unseen.
#[inline(always)]
pub(super) fn since_mark(hit: &Hit<'_>, g: u64) -> Result<Option<u64>, Counter> {
    let key = hit.key(goid(hit, g)?);
    // SAFETY: only what this goroutine goes through next changes its entry; copied at once.
    let Some(begun) = (unsafe { GOROUTINE_MARKS.get(key) }).copied() else {
        return Ok(None);
    };
    // It was there a moment ago, and nobody else takes it.
    let _gone = GOROUTINE_MARKS.remove(key);
    Ok(Some(now().wrapping_sub(begun)))
}

#[inline(always)]
fn goid(hit: &Hit<'_>, g: u64) -> Result<u64, Counter> {
    read::at(g, hit.offsets.g_goid)
}
