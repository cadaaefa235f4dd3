//! Who runs here: processes in scope become targets.
//!
//! ```text
//! Scanner   /proc or one pid  -> Candidate   scope rules applied, nothing opened
//! Opener    Candidate         -> Process     pidfd, executable, Go check, clock check
//! ExitWatch Process           -> its end
//! ```

mod exit;
mod go_check;
mod open;
mod pidfd;
pub mod proc;
mod refused;
mod report;
mod scan;
mod scope;
#[cfg(test)]
mod testing;

pub use exit::ExitWatch;
pub use go_check::{NotGoCache, is_go};
pub use open::{Opener, Process};
pub use pidfd::PidFd;
pub use proc::{BinaryKey, Listening, ProcessId, Procfs, Stat, Usage};
pub use refused::RefusedReason;
pub use report::{ProbeReport, TargetReport, TargetState, UnresolvedReport, WindowReport};
pub use scan::{Candidate, Changes, Incarnation, Scanner, Verdict};
pub(crate) use scope::matches;
pub use scope::{OutOfScope, ScopeRules};
