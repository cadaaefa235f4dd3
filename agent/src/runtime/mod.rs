//! Reads the Go runtime's own variables from outside: no probe, no stop, nothing written.
//!
//! ```text
//! facts      where a binary keeps what is read (made by the child that reads binaries)
//! cells      single numbers; copies, heap, processors, threads, histogram, gc: what is copied
//! memory     process_vm_readv
//! spans      which variables are copied in one piece; plan: all pieces in their order
//! witness    shows in the copy itself that it is of the program that was opened
//! reader     one vectored read, retried when its parts are not of one moment
//! view       a copy -> figures: every number by name -> reading
//! ```

mod cells;
mod copies;
mod error;
mod facts;
mod figures;
pub mod gc;
mod goroutine_report;
mod goroutines;
mod heap;
mod histogram;
mod leaks;
mod memory;
mod pacer;
mod plan;
mod processors;
pub mod profile;
mod reader;
mod reading;
mod spans;
mod threads;
mod view;
mod witness;

pub use cells::Cell;
pub use error::ReadError;
pub use facts::{
    GcFacts, HeapFacts, HistogramFacts, ProcessorFacts, RUNTIME_STRUCTS, RuntimeFacts, ThreadFacts,
    wanted_fields, wanted_variables,
};
pub use figures::{Figure, Unit};
pub use gc::RingCycle;
pub use goroutine_report::{FailedProfile, GoroutineReport};
pub use heap::SizeCounts;
pub use histogram::{Distribution, TimeCounts, Times};
pub use leaks::{Leak, Leaks};
pub use memory::calls as memory_calls;
#[cfg(test)]
pub(crate) use memory::copy_of;
pub use reader::Reader;
pub use reading::{Numbers, RuntimeReading};
pub use view::Absence;
