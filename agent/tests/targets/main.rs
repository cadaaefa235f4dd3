//! Discovery, identity and the memory reader against real Go programs.
//!
//! Needs Go to build its targets and the right to read the memory of its own children.

mod discovery;
mod resolver;
mod runtime_reader;
mod support;
