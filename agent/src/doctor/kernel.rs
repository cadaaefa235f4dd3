//! What the kernel offers.

use std::{fs, io};

use super::Check;

/// Oldest kernel with ring buffers.
const LEAST: (u32, u32) = (5, 8);
/// Oldest kernel with `uprobe_multi` links.
const MULTI: (u32, u32) = (6, 6);

pub(super) fn checks() -> Vec<Check> {
    vec![
        version(),
        map("bpf() system call", libc_map::ARRAY),
        map("ring buffer", libc_map::RINGBUF),
        lockdown(),
    ]
}

fn version() -> Check {
    let release = read("/proc/sys/kernel/osrelease");
    match parse_release(&release) {
        Some(version) if version >= MULTI => Check::ok("kernel", release),
        Some(version) if version >= LEAST => Check::warn(
            "kernel",
            format!(
                "{release} has no uprobe_multi links: slow detach, and CAP_SYS_ADMIN is needed"
            ),
            "use Linux 6.6 or later",
        ),
        _ => Check::fail(
            "kernel",
            format!("{release} has no BPF ring buffer"),
            "use Linux 5.8 or later, better 6.6",
        ),
    }
}

fn parse_release(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Map types of linux/bpf.h.
mod libc_map {
    pub(super) const ARRAY: u32 = 2;
    pub(super) const RINGBUF: u32 = 27;
}

/// Proves that maps can be made, by making a small one.
fn map(name: &str, kind: u32) -> Check {
    match create_map(kind) {
        Ok(()) => Check::ok(name, "usable"),
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => Check::fail(
            name,
            "the kernel refuses it (EPERM)",
            "run as root or with CAP_BPF and CAP_PERFMON; in a container also check its seccomp profile",
        ),
        Err(error) => Check::fail(
            name,
            error.to_string(),
            "use Linux 5.8 or later with CONFIG_BPF_SYSCALL",
        ),
    }
}

/// The fields of `union bpf_attr` that `BPF_MAP_CREATE` reads here; the kernel takes the rest as 0.
#[repr(C)]
struct MapCreate {
    kind: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
}

const BPF_MAP_CREATE: libc::c_long = 0;

fn create_map(kind: u32) -> io::Result<()> {
    let ring = kind == libc_map::RINGBUF;
    let attributes = MapCreate {
        kind,
        key_size: if ring { 0 } else { 4 },
        value_size: if ring { 0 } else { 8 },
        max_entries: if ring { 64 << 10 } else { 1 },
        flags: 0,
    };
    // SAFETY: the kernel reads `size_of::<MapCreate>()` bytes from a struct of just that size.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_MAP_CREATE,
            &raw const attributes,
            size_of::<MapCreate>(),
        )
    };
    let fd = i32::try_from(fd).unwrap_or(-1);
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us; closing it frees the map.
    unsafe { libc::close(fd) };
    Ok(())
}

fn lockdown() -> Check {
    let text = read("/sys/kernel/security/lockdown");
    let active = text
        .split_whitespace()
        .find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
    match active {
        Some("confidentiality") => Check::fail(
            "lockdown",
            "confidentiality: BPF programs may read no memory",
            "boot with lockdown=integrity or none",
        ),
        Some(mode) => Check::ok("lockdown", mode),
        None => Check::warn(
            "lockdown",
            "cannot tell: /sys/kernel/security/lockdown is not readable",
            "mount securityfs there to see it; golens works unless the mode is confidentiality",
        ),
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).map_or_else(|_error| String::new(), |text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_of_all_kinds_have_two_numbers() {
        assert_eq!(parse_release("6.18.44-fc-v657"), Some((6, 18)));
        assert_eq!(parse_release("5.10.0-46-cloud-amd64"), Some((5, 10)));
        assert_eq!(parse_release("7.3"), Some((7, 3)));
        assert_eq!(parse_release(""), None);
    }
}
