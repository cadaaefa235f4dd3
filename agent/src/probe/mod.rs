//! Loads the eBPF programs and attaches them to targets.
//!
//! aya creates the maps and runs the raw tracepoints. Its version for our compiler cannot attach
//! `uprobe_multi`, so those programs go through [`multi`], the smallest piece beside it; below Linux
//! 6.6 aya's perf uprobes take over.

mod attach;
pub mod doctor;
mod error;
mod features;
mod goroutines;
mod kernel;
mod links;
mod multi;
mod proof;
mod slots;
mod syscall;

pub use attach::{AttachedProgram, Attachment};
pub use error::ProbeError;
pub use features::Feature;
pub use goroutines::{Goroutines, Sites};
pub use kernel::{CROWDED, Kernel, ProgramRuns, Rings};
pub use links::{AttachMode, FileKey};
pub use slots::Slots;
