//! The stand-in for the `consul` program by itself, for tests that start one.

use std::process::ExitCode;

fn main() -> ExitCode {
    registry::consul::compat::main(std::env::args().skip(1), |_level| {})
}
