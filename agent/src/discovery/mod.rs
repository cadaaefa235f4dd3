//! Who runs here: processes in scope become targets.

mod report;

pub use report::{ProbeReport, TargetReport, TargetState, UnresolvedReport};
