//! Garbage collection history: the runtime's ring of pauses, and what the probe at each restart of the
//! world adds to it.

mod ring;

pub use ring::RingCycle;
pub(super) use ring::{GcHistory, GcNews, GcPieces};
