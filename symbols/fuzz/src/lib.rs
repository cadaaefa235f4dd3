//! Fuzz targets of `symbols`: how an input becomes a file, and what is asked of it.
//!
//! Nothing here needs libFuzzer: `symbols/tests/replay.rs` runs the same code on stable.

mod ask;
pub mod elf;
pub mod go;
pub mod parts;
pub mod targets;

pub use ask::{Seen, ask};
