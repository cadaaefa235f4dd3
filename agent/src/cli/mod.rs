//! The command line: one file per verb.

/// Runs the command line and returns the exit status.
#[must_use]
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
