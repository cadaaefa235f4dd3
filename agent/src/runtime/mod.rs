//! Reads the Go runtime's own variables from outside: no probe, no stop, nothing written.

mod error;
mod facts;
mod gc;
mod goroutine_report;
mod goroutines;
mod leaks;
mod memory;
mod pacer;
pub mod profile;
mod reader;
mod reading;

pub use error::ReadError;
pub use facts::{
    GcFacts, GoroutineFacts, PacerFacts, RUNTIME_FIELDS, RUNTIME_STRUCTS, RUNTIME_VARIABLES,
    RuntimeFacts,
};
pub use goroutine_report::GoroutineReport;
pub use leaks::{Leak, Leaks};
pub use reader::Reader;
pub use reading::RuntimeReading;
