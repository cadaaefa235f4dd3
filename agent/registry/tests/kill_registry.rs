//! Ten kills under load.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test without cargo's harness says itself how it ended, and stops when it cannot go on"
)]

#[path = "common/kill/mod.rs"]
mod kill;

use std::process::ExitCode;

fn main() -> ExitCode {
    kill::main("ten_kills_lose_nothing_and_no_index_goes_back", 10)
}
