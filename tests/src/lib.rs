//! Whole-agent tests: harness shared by the test files.

pub mod harness;
