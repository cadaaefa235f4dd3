//! Spans from their start to their end, kept by goroutine.

use agent_ebpf::{
    counter::Counter,
    target::{GoroutineKey, IDS_SAMPLED, OpenSpan, SpanIds},
};
use aya_ebpf::{
    bindings::{BPF_ANY, BPF_NOEXIST},
    helpers::bpf_get_prandom_u32,
};

use super::maps::{OPEN_SPANS, count};

/// `-EEXIST` of `bpf_map_update_elem`.
const EXISTS: i32 = -17;

/// Remembers a started span. One that is still open on this goroutine was abandoned: its handler
/// panicked or took the connection over, and never reached the end.
#[inline(always)]
pub(super) fn open(key: &GoroutineKey, span: &OpenSpan) -> Result<(), Counter> {
    match OPEN_SPANS.insert(key, span, u64::from(BPF_NOEXIST)) {
        Ok(()) => count(Counter::SpansOpened),
        Err(EXISTS) => {
            count(Counter::AbandonedNextStart);
            OPEN_SPANS
                .insert(key, span, u64::from(BPF_ANY))
                .map_err(|_errno| Counter::OpenMapFull)?;
        }
        Err(_) => return Err(Counter::OpenMapFull),
    }
    Ok(())
}

/// Takes the open span of a goroutine, if it is the one that `object` and `kind` started.
#[inline(always)]
pub(super) fn close(key: &GoroutineKey, kind: u32, object: u64) -> Result<OpenSpan, Counter> {
    // SAFETY: only this goroutine changes its entry, and it is here; copied at once.
    let span = *unsafe { OPEN_SPANS.get(key) }.ok_or(Counter::EndWithoutStart)?;
    if span.kind != kind || span.object != object {
        return Err(Counter::EndMismatch);
    }
    OPEN_SPANS
        .remove(key)
        .map_err(|_errno| Counter::EndWithoutStart)?;
    count(Counter::SpansClosed);
    Ok(span)
}

/// Identity of the span that is open on a goroutine, all zero when there is none.
#[inline(always)]
pub(super) fn current(key: &GoroutineKey) -> SpanIds {
    // SAFETY: only this goroutine changes its entry, and it is here; copied at once.
    match unsafe { OPEN_SPANS.get(key) } {
        Some(span) => span.ids,
        None => SpanIds {
            trace_id: [0; 16],
            span_id: [0; 8],
            parent_span_id: [0; 8],
            flags: 0,
            _pad: 0,
        },
    }
}

/// Identity of a root span.
#[inline(always)]
pub(super) fn new_trace() -> SpanIds {
    let mut trace_id = [0; 16];
    let (high, low) = (random(), random());
    trace_id[..8].copy_from_slice(&high);
    trace_id[8..].copy_from_slice(&low);
    SpanIds {
        trace_id,
        span_id: random(),
        parent_span_id: [0; 8],
        flags: IDS_SAMPLED,
        _pad: 0,
    }
}

/// Eight random bytes, never all zero: W3C trace context calls such ids invalid.
#[inline(always)]
pub(super) fn random() -> [u8; 8] {
    // SAFETY: takes nothing and cannot fail.
    let high = unsafe { bpf_get_prandom_u32() };
    // SAFETY: as above.
    let low = unsafe { bpf_get_prandom_u32() };
    (u64::from(high) << 32 | u64::from(low) | 1).to_ne_bytes()
}
