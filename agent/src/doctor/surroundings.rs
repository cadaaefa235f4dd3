//! Where golens runs: namespaces, cgroups, targets, ports.

use std::{fs, io, net::TcpListener, path::Path};

use super::Check;
use crate::{
    config::Config,
    discovery::{Opener, Procfs, RefusedReason, Scanner, ScopeRules},
};

pub(super) fn checks(config: &Config) -> Vec<Check> {
    vec![pid_namespace(), cgroups(), targets(config), port(config)]
}

/// Inode of the first pid namespace, the same on every Linux.
const ROOT_PID_NAMESPACE: u64 = 0xEFFF_FFFC;

fn pid_namespace() -> Check {
    let name = "pid namespace";
    match Procfs::default().namespace(std::process::id(), "pid") {
        Ok(ROOT_PID_NAMESPACE) => Check::ok(name, "the machine's own"),
        Ok(_) => Check::fail(
            name,
            "golens runs in a pid namespace of its own: pids it sees are not those the kernel reports",
            "run with hostPID: true in Kubernetes, --pid=host in a container",
        ),
        Err(error) => Check::warn(name, format!("cannot tell: {error}"), "mount /proc"),
    }
}

fn cgroups() -> Check {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let kinds: Vec<&str> = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(2))
        .collect();
    let (unified, legacy) = (kinds.contains(&"cgroup2"), kinds.contains(&"cgroup"));
    match (unified, legacy) {
        (true, false) => Check::ok("cgroups", "version 2"),
        (true, true) => Check::ok("cgroups", "version 1 with a version 2 mount"),
        (false, true) => Check::ok("cgroups", "version 1"),
        (false, false) if Path::new("/proc/self/cgroup").exists() => {
            Check::ok("cgroups", "not mounted here; scope rules work all the same")
        }
        (false, false) => Check::warn(
            "cgroups",
            "this kernel has none: scope.cgroups matches nothing",
            "use scope.executables or scope.pids",
        ),
    }
}

fn targets(config: &Config) -> Check {
    let name = "Go services";
    let procfs = Procfs::default();
    let mut scanner = Scanner::new(procfs.clone(), ScopeRules::new(&config.scope));
    let changes = match scanner.scan() {
        Ok(changes) => changes,
        Err(error) => {
            return Check::fail(name, format!("cannot list /proc: {error}"), "mount /proc");
        }
    };
    let mut opener = Opener::new(procfs);
    let (mut found, mut denied) = (0, changes.refused.len());
    for candidate in &changes.new {
        match opener.open(candidate) {
            Ok(_) => found += 1,
            Err(RefusedReason::Denied { .. }) => denied += 1,
            Err(_) => {}
        }
    }
    match (found, denied) {
        (found, 0) if found > 0 => Check::ok(name, format!("{found} in scope")),
        (0, 0) => Check::ok(name, "none in scope right now"),
        (found, denied) => Check::warn(
            name,
            format!(
                "{found} in scope; golens may not look at {denied} more, which may be Go or not"
            ),
            "add CAP_SYS_PTRACE; where golens has it, a security module or user namespace forbids it",
        ),
    }
}

fn port(config: &Config) -> Check {
    let address = config.http.listen;
    match TcpListener::bind(address) {
        Ok(_) => Check::ok("port", format!("{address} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Check::warn(
            "port",
            format!("{address} is taken, perhaps by a running golens"),
            "set http.listen or --listen to another address",
        ),
        Err(error) => Check::fail(
            "port",
            format!("cannot listen on {address}: {error}"),
            "set http.listen or --listen to an address of this machine",
        ),
    }
}
