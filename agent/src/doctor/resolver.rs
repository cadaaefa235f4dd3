//! Can binaries be read in a process without rights?

use std::fs::File;

use super::Check;
use crate::resolve::{ResolveError, Resolver};

/// Lets such a process read golens itself, which is no Go program.
pub(super) fn check() -> Check {
    let name = "reading binaries";
    let own = match File::open("/proc/self/exe") {
        Ok(own) => own,
        Err(error) => {
            let problem = format!("cannot open golens itself: {error}");
            return Check::fail(name, problem, "mount /proc");
        }
    };
    match Resolver::default().resolve(&own) {
        Err(error) if error.error_type() == "not_go" => {
            Check::ok(name, "done by a process without rights")
        }
        Err(error) => Check::fail(name, error.to_string(), remedy(&error)),
        Ok(_) => Check::warn(
            name,
            "golens was taken for a Go program",
            "please report this",
        ),
    }
}

fn remedy(error: &ResolveError) -> &'static str {
    match error {
        ResolveError::Unconfined { .. } => {
            "use Linux 5.10 or newer, and a seccomp profile that allows seccomp, prctl and capset"
        }
        _ => "allow golens to start itself once more: execute permission, pids.max, memory",
    }
}
