//! What a process uses: CPU time, memory, descriptors, and its limits.

use std::{fs, io};

use super::{Procfs, malformed};

/// `USER_HZ`, in which /proc gives times: 100 on every Linux that golens supports.
const TICKS_PER_SECOND: f64 = 100.0;

/// Use of one process.
///
/// # Units      seconds, bytes
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// User and system time since its start.
    pub cpu_seconds: f64,
    /// Its start, since 1970.
    pub start_seconds: f64,
    /// Address space.
    pub virtual_bytes: u64,
    /// Resident memory.
    pub resident_bytes: u64,
    /// Open descriptors; none without rights.
    pub open_descriptors: Option<u64>,
    /// Most descriptors; `u64::MAX` without a limit.
    pub most_descriptors: Option<u64>,
    /// Most address space; `u64::MAX` without a limit.
    pub most_virtual_bytes: Option<u64>,
}

impl Procfs {
    /// When the machine was started, in seconds since 1970.
    ///
    /// # Errors
    /// `InvalidData` when the file has another form.
    pub fn boot_seconds(&self) -> io::Result<f64> {
        let stat = fs::read_to_string(self.file("stat"))?;
        boot_seconds(&stat).ok_or_else(|| malformed("stat"))
    }

    /// Reads what a process uses; `boot_seconds` is that of [`Procfs::boot_seconds`].
    ///
    /// # Errors
    /// `NotFound` when there is no such process, `InvalidData` when a file has another form.
    pub fn usage(&self, pid: u32, boot_seconds: f64) -> io::Result<Usage> {
        let line = self.read(pid, "stat")?;
        let usage = of_stat(&line, page_bytes(), boot_seconds).ok_or_else(|| malformed("stat"))?;
        let limits = self.read(pid, "limits").unwrap_or_default();
        let limits = String::from_utf8_lossy(&limits);
        let descriptors = fs::read_dir(self.path(pid, "fd"));
        Ok(Usage {
            open_descriptors: descriptors
                .ok()
                .and_then(|entries| u64::try_from(entries.count()).ok()),
            most_descriptors: limit(&limits, "Max open files"),
            most_virtual_bytes: limit(&limits, "Max address space"),
            ..usage
        })
    }
}

fn of_stat(line: &[u8], page_bytes: u64, boot_seconds: f64) -> Option<Usage> {
    let close = line.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(line.get(close + 1..)?).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // Fields are counted from 1 in proc(5); `fields` begins with field 3.
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Usage {
        cpu_seconds: (field(14)?.checked_add(field(15)?)?) as f64 / TICKS_PER_SECOND,
        start_seconds: boot_seconds + field(22)? as f64 / TICKS_PER_SECOND,
        virtual_bytes: field(23)?,
        resident_bytes: field(24)?.checked_mul(page_bytes)?,
        ..Usage::default()
    })
}

fn boot_seconds(stat: &str) -> Option<f64> {
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok()
}

/// The soft limit of a line of /proc/PID/limits.
fn limit(limits: &str, name: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    match line.split_ascii_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

fn page_bytes() -> u64 {
    // SAFETY: `sysconf` reads a constant of the system and touches no memory of this process.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(bytes).unwrap_or(4_096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_any_name() {
        let line = b"1 (a) b) S 1 1 1 0 -1 0 1 2 3 4 250 50 0 0 20 0 1 0 700 8192 3 9 9";
        let usage = of_stat(line, 4_096, 1_000.0).expect("whole");
        assert_eq!(usage.cpu_seconds, 3.0);
        assert_eq!(usage.start_seconds, 1_007.0);
        assert_eq!((usage.virtual_bytes, usage.resident_bytes), (8_192, 12_288));
        assert_eq!(of_stat(b"1 (a) S 1", 4_096, 0.0), None);
    }

    #[test]
    fn limits_are_numbers_or_none() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            1024                 524288               files     \n\
                      Max address space         unlimited            unlimited            bytes     \n";
        assert_eq!(limit(limits, "Max open files"), Some(1_024));
        assert_eq!(limit(limits, "Max address space"), Some(u64::MAX));
        assert_eq!(limit(limits, "Max dreams"), None);
    }

    #[test]
    fn this_process_uses_something() {
        let procfs = Procfs::default();
        let boot = procfs.boot_seconds().expect("told");
        let usage = procfs.usage(std::process::id(), boot).expect("runs");
        assert!(usage.resident_bytes > 100_000 && usage.virtual_bytes > usage.resident_bytes);
        assert!(usage.open_descriptors.is_some_and(|count| count > 2));
        assert!(usage.start_seconds > 1e9);
    }
}
