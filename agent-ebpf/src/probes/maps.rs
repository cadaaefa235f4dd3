//! The maps. All preallocated; a full one is an error that is counted.

use agent_ebpf::{
    counter::{COUNTERS, Counter, PROGRAM_ROW, Program},
    goroutine::{SiteKey, SiteStats},
    limits::{
        MAX_GOROUTINE_MARKS, MAX_GOROUTINE_SITES, MAX_OPEN_SPANS, MAX_TARGETS, PROCESS_RING_BYTES,
        RING_BYTES,
    },
    offsets::Offsets,
    target::{GoroutineKey, OpenSpan, TargetRef},
};
use aya_ebpf::{
    macros::map,
    maps::{Array, HashMap, PerCpuArray, RingBuf},
};
use core::arch::asm;

/// Process id -> where its state is. Written by the agent, deleted here at exec and exit.
#[map(name = "TARGETS")]
pub(super) static TARGETS: HashMap<u32, TargetRef> = HashMap::with_max_entries(MAX_TARGETS, 0);

/// Slot -> what is known of the binary.
#[map(name = "OFFSETS")]
pub(super) static OFFSETS: Array<Offsets> = Array::with_max_entries(MAX_TARGETS, 0);

/// Spans that have started and not ended.
#[map(name = "OPEN_SPANS")]
pub(super) static OPEN_SPANS: HashMap<GoroutineKey, OpenSpan> =
    HashMap::with_max_entries(MAX_OPEN_SPANS, 0);

/// Slot -> generation whose goroutines are being counted, 0 for none. Written by the agent when all
/// probes are attached, so that begins and ends are counted from the same moment.
#[map(name = "GOROUTINE_WATCH")]
pub(super) static GOROUTINE_WATCH: Array<u32> = Array::with_max_entries(MAX_TARGETS, 0);

/// What goroutines did, by where they were created. Read and emptied by the agent.
#[map(name = "GOROUTINE_SITES")]
pub(super) static GOROUTINE_SITES: HashMap<SiteKey, SiteStats> =
    HashMap::with_max_entries(MAX_GOROUTINE_SITES, 0);

/// One site with nothing counted: too large for a program's stack.
#[map(name = "GOROUTINE_ZERO")]
pub(super) static GOROUTINE_ZERO: Array<SiteStats> = Array::with_max_entries(1, 0);

/// When goroutines began to live, or to wait for a processor.
#[map(name = "GOROUTINE_MARKS")]
pub(super) static GOROUTINE_MARKS: HashMap<GoroutineKey, u64> =
    HashMap::with_max_entries(MAX_GOROUTINE_MARKS, 0);

/// Finished spans, log writes, stops of the world.
#[map(name = "EVENTS")]
pub(super) static EVENTS: RingBuf = RingBuf::with_byte_size(RING_BYTES, 0);

/// Bytes waiting in [`EVENTS`] past which the agent is woken; set at load.
#[unsafe(no_mangle)]
static WAKE_AT_BYTES: u64 = u64::MAX;

/// 1 where links carry cookies (Linux 5.15); set at load. The verifier sees a constant and never looks
/// at the helper that older kernels lack.
#[unsafe(no_mangle)]
static HAS_COOKIES: u32 = 0;

#[inline(always)]
pub(super) fn has_cookies() -> bool {
    // SAFETY: a static is valid for reads.
    unsafe { core::ptr::read_volatile(&raw const HAS_COOKIES) != 0 }
}

/// The mark, read so that the compiler does not fold the value it was compiled with.
#[inline(always)]
pub(super) fn wake_at_bytes() -> u64 {
    // SAFETY: a static is valid for reads.
    unsafe { core::ptr::read_volatile(&raw const WAKE_AT_BYTES) }
}

/// Exec and exit, apart so that load never hides an exit.
#[map(name = "PROCESS_EVENTS")]
pub(super) static PROCESS_EVENTS: RingBuf = RingBuf::with_byte_size(PROCESS_RING_BYTES, 0);

#[map(name = "COUNTERS")]
static COUNTS: PerCpuArray<u64> = PerCpuArray::with_max_entries(COUNTERS, 0);

/// Hits by slot and program.
#[map(name = "SLOT_HITS")]
static SLOT_HITS: PerCpuArray<[u64; PROGRAM_ROW as usize]> =
    PerCpuArray::with_max_entries(MAX_TARGETS, 0);

/// The agent's proof on itself: hits, and the process id that the kernel sees.
#[map(name = "SELF_TEST")]
pub(super) static SELF_TEST: Array<u64> = Array::with_max_entries(2, 0);

/// Adds to a word that other programs may be changing.
///
/// Uprobe programs can be preempted on their CPU, so even per-CPU words need an atomic add. Written
/// as the instruction itself: the target has no atomics in `core`, and the fetching form that
/// compilers like to emit needs Linux 5.12.
#[inline(always)]
pub(super) fn add(word: *mut u64, amount: u64) {
    // SAFETY: `word` is 8-aligned inside a map value, which lives as long as the program.
    unsafe { asm!("lock *(u64 *)({0} + 0) += {1}", in(reg) word, in(reg) amount) };
}

/// Counts one occurrence.
#[inline(always)]
pub(super) fn count(counter: Counter) {
    if let Some(word) = COUNTS.get_ptr_mut(counter as u32) {
        add(word, 1);
    }
}

/// Counts one hit of a program by a target.
#[inline(always)]
pub(super) fn count_hit(slot: u32, program: Program) {
    if let Some(row) = SLOT_HITS.get_ptr_mut(slot) {
        add(row.cast::<u64>().wrapping_add(program as usize), 1);
    }
}
