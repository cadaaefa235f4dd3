//! What `golens doctor` says of loading and attaching: it loads everything and attaches to itself.

use super::{AttachMode, Kernel, ProbeError};
use crate::{
    config,
    doctor::{Check, error_chain},
};

/// Loads the programs as `golens run` does, and drops them again.
#[must_use]
pub fn checks() -> Vec<Check> {
    match Kernel::load(&config::Probes::default(), false) {
        Ok((kernel, _rings)) => {
            let mut all = vec![mode(kernel.mode())];
            all.extend(programs(&kernel));
            all.push(process_events(&kernel));
            all
        }
        Err(error @ ProbeError::NoObject) => {
            vec![Check::fail(
                "eBPF programs",
                error.to_string(),
                "cargo xtask build",
            )]
        }
        Err(error) => vec![Check::fail(
            "eBPF programs",
            error_chain(&error),
            "run as root or with CAP_BPF and CAP_PERFMON",
        )],
    }
}

fn mode(mode: AttachMode) -> Check {
    let name = "attach";
    match mode {
        AttachMode::MultiByProcess => Check::ok(name, mode.describe()),
        AttachMode::MultiByFile => Check::warn(
            name,
            format!(
                "{}: processes of one binary share its probes",
                mode.describe()
            ),
            "use Linux 6.10 or later for links that see one process only",
        ),
        AttachMode::PerfByFile => Check::warn(
            name,
            format!(
                "{}: slow detach, and CAP_SYS_ADMIN is needed",
                mode.describe()
            ),
            "use Linux 6.6 or later",
        ),
    }
}

fn programs(kernel: &Kernel) -> Vec<Check> {
    let refused = kernel.refused();
    if refused.is_empty() {
        return vec![Check::ok("eBPF programs", "all are loaded")];
    }
    let check = |(program, error): &(agent_ebpf::counter::Program, ProbeError)| {
        let name = format!("eBPF program {}", program.name());
        Check::warn(
            name,
            error_chain(error),
            "report it with this text and your kernel version",
        )
    };
    refused.iter().map(check).collect()
}

fn process_events(kernel: &Kernel) -> Check {
    let name = "process events";
    match kernel.watch_processes() {
        Ok(()) => Check::ok(name, "exec and exit are seen at once"),
        Err(error) => Check::warn(
            name,
            format!(
                "{}: new processes are found by scans only",
                error_chain(&error)
            ),
            "run as root or with CAP_BPF and CAP_PERFMON",
        ),
    }
}
