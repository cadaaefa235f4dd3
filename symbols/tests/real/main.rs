//! Facts of real binaries against what the Go toolchain says of them.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot read its own fixture must stop"
)]

mod after_calls;
mod answers;
mod builds;
mod carried;
#[path = "../common/mod.rs"]
mod common;
mod decoder;
mod dwarf;
mod files;
mod functions;
mod layouts;
mod lines;
mod matrix;
mod names;
mod refused;
mod returns;
mod servers;
mod sites;
mod tables;
