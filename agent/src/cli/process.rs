//! The process that a verb was given by its id.

use super::CliError;
use crate::{
    config::Scope,
    discovery::{Opener, OutOfScope, Process, Procfs, RefusedReason, Scanner, ScopeRules, Verdict},
};

/// Opens a Go process, whatever its cgroup and its executable are.
///
/// # Errors
/// When there is none of this id, it is no Go program, or golens may not look at it.
pub(super) fn open(pid: u32) -> Result<Process, CliError> {
    let scope = Scope {
        pids: vec![pid],
        ..Scope::default()
    };
    let procfs = Procfs::default();
    let scanner = Scanner::new(procfs.clone(), ScopeRules::new(&scope));
    let opened = match scanner.examine(pid) {
        Verdict::Candidate(candidate) => Opener::new(procfs).open(&candidate),
        Verdict::Refused(reason) => Err(reason),
        Verdict::Out(OutOfScope::Dead) => Err(RefusedReason::Exited),
        // A kernel thread, or golens.
        Verdict::Out(_) => Err(RefusedReason::NotGo),
    };
    opened.map_err(|reason| CliError::Process { pid, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_go_process_is_refused_with_a_word() {
        for (pid, word) in [
            (u32::MAX, "exited"),
            (2, "not_go"),
            (std::process::id(), "not_go"),
        ] {
            let error = open(pid).expect_err("no Go process");
            assert_eq!(error.error_type(), word, "{pid}: {error}");
        }
    }
}
