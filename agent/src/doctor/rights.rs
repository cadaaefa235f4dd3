//! What this process is allowed to do.

use std::fs;

use super::Check;

/// Capability bits of linux/capability.h, what each is for, and whether golens does without.
const CAPABILITIES: [(u32, &str, &str, bool); 4] = [
    (39, "CAP_BPF", "load eBPF programs", true),
    (
        38,
        "CAP_PERFMON",
        "let them read memory and attach them",
        true,
    ),
    (
        19,
        "CAP_SYS_PTRACE",
        "open executables and read runtime metrics of other users' processes",
        true,
    ),
    (
        2,
        "CAP_DAC_READ_SEARCH",
        "read OTEL_* variables of other users' processes",
        false,
    ),
];
/// Covers BPF and PERFMON on every kernel.
const CAP_SYS_ADMIN: u32 = 21;

pub(super) fn checks() -> Vec<Check> {
    let effective = effective_capabilities();
    let mut all: Vec<Check> = CAPABILITIES
        .iter()
        .map(|entry| capability(effective, *entry))
        .collect();
    all.push(ptrace_scope(has(effective, 19)));
    all
}

fn effective_capabilities() -> u64 {
    fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("CapEff:"))?;
            u64::from_str_radix(line.trim(), 16).ok()
        })
        .unwrap_or_default()
}

fn has(capabilities: u64, bit: u32) -> bool {
    capabilities >> bit & 1 == 1
}

fn capability(effective: u64, (bit, name, purpose, needed): (u32, &str, &str, bool)) -> Check {
    let by_admin = matches!(bit, 38 | 39) && has(effective, CAP_SYS_ADMIN);
    let remedy = format!(
        "add {name}: AmbientCapabilities= in systemd, securityContext.capabilities in Kubernetes"
    );
    if has(effective, bit) {
        Check::ok(name, format!("may {purpose}"))
    } else if by_admin {
        Check::ok(name, format!("may {purpose} (through CAP_SYS_ADMIN)"))
    } else if needed {
        Check::fail(name, format!("missing: cannot {purpose}"), remedy)
    } else {
        Check::warn(name, format!("missing: cannot {purpose}"), remedy)
    }
}

fn ptrace_scope(may_ptrace: bool) -> Check {
    let name = "ptrace scope";
    match fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope")
        .as_deref()
        .map(str::trim)
    {
        Err(_) => Check::ok(name, "not restricted (no Yama)"),
        Ok("3") => Check::fail(
            name,
            "3: nobody may read another process's memory; runtime metrics are off",
            "set kernel.yama.ptrace_scope to 2 or less (needs a reboot once it was 3)",
        ),
        Ok("0") => Check::ok(name, "0"),
        Ok(scope) if may_ptrace => Check::ok(name, format!("{scope}, which CAP_SYS_PTRACE passes")),
        Ok(scope) => Check::fail(
            name,
            format!("{scope}: reading other processes' memory needs CAP_SYS_PTRACE"),
            "add CAP_SYS_PTRACE",
        ),
    }
}
