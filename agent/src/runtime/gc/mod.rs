//! Garbage collection history.
//!
//! ```text
//! ring        the runtime's record of 256 pauses, read from memory: each cycle's total pause, its end
//! assembler   events of the probe at each restart of the world -> stops with their bounds, cycles
//! cycle       what both say, joined by the number of the cycle
//! ```

mod assembler;
mod cycle;
mod ring;
#[cfg(test)]
pub(crate) mod testing;

pub use assembler::{Assembler, GcNews};
pub use cycle::{GcCycle, MarkCpu, Observed, Phases, Stop, StopReason};
pub use ring::RingCycle;
pub(super) use ring::{GcCopy, GcHistory, GcPieces, RingNews};
