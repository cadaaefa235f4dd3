//! Assembles the parts of a running agent.

use std::process::ExitCode;

use crate::cli::RunArgs;

/// Why the agent could not start or had to stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// This build has no kernel side.
    #[error("this build holds no eBPF programs; build it with `cargo xtask build`")]
    NoPrograms,
}

/// Observes until interrupted.
///
/// # Errors
/// When the agent cannot start.
#[expect(clippy::unused_async, reason = "the assembled agent awaits its parts")]
pub async fn run(_args: RunArgs) -> Result<ExitCode, NodeError> {
    Err(NodeError::NoPrograms)
}
