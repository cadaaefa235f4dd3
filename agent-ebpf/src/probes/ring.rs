//! One way to write a record: reserve, fill, submit; or give it back and count why.

use agent_ebpf::{
    counter::Counter,
    event::{gc::GcStopEvent, grpc::GrpcServerEvent, http::HttpServerEvent},
};
use aya_ebpf::bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP};

use super::maps::{EVENTS, count, wake_at_bytes};

/// Types of which any bytes are a value: what the ring lends may hold those of an older record.
///
/// # Safety
/// Implementors are `repr(C)` and made of integers and arrays of them only.
pub(super) unsafe trait Record: 'static {}
// SAFETY: integers and arrays only (asserted beside the type).
unsafe impl Record for HttpServerEvent {}
// SAFETY: as above.
unsafe impl Record for GrpcServerEvent {}
// SAFETY: as above.
unsafe impl Record for GcStopEvent {}

/// Reserves a `T`, lets `fill` write it, and submits it. The agent reads the ring on a timer and is
/// woken only past a mark: a wake-up costs fifteen times the record.
///
/// `fill` gets arbitrary bytes and must write every field the agent reads.
#[inline(always)]
pub(super) fn emit<T: Record>(
    fill: impl FnOnce(&mut T) -> Result<(), Counter>,
) -> Result<(), Counter> {
    let mut slot = EVENTS.reserve::<T>(0).ok_or(Counter::EventsRingFull)?;
    // SAFETY: the kernel has initialised the ring's memory, and any bytes are a `Record`.
    let record = unsafe { slot.assume_init_mut() };
    match fill(record) {
        Ok(()) => {
            slot.submit(wake_up());
            count(Counter::EventsSubmitted);
            Ok(())
        }
        Err(counter) => {
            slot.discard(u64::from(BPF_RB_NO_WAKEUP));
            count(Counter::EventsDiscarded);
            Err(counter)
        }
    }
}

/// Wakes the agent once when the mark is crossed, not for every record past it.
#[inline(always)]
fn wake_up() -> u64 {
    /// No record is longer, so one of them lands in the window.
    const WINDOW_BYTES: u64 = 65_536 + 8;
    let waiting = EVENTS.query(u64::from(BPF_RB_AVAIL_DATA));
    let mark = wake_at_bytes();
    let crossed = waiting >= mark && waiting - mark < WINDOW_BYTES;
    u64::from(if crossed {
        BPF_RB_FORCE_WAKEUP
    } else {
        BPF_RB_NO_WAKEUP
    })
}

/// Whether the ring is so full that records which may be missed have to wait.
#[inline(always)]
pub(super) fn is_crowded() -> bool {
    // The mark is at half.
    let mark = wake_at_bytes();
    EVENTS.query(u64::from(BPF_RB_AVAIL_DATA)) >= mark + mark / 2
}
