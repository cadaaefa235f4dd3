//! The registry as the command `golens` serves it, in processes of its own.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot start its own processes must stop"
)]

mod compat;
mod dns;
mod go;
mod process;
mod serve;
mod token;
