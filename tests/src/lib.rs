//! Whole-agent tests: harness shared by the test files, launchers of real back ends, and the demo.

pub mod backends;
pub mod demo;
pub mod harness;
