//! What the agent itself uses, read from /proc.

use std::{fs, time::Instant};

use prometheus::{Counter, Gauge};

use super::{catalog, own::Registrar};

/// `USER_HZ`, in which /proc gives CPU times: 100 on every Linux that golens supports.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU, memory, descriptors and age of this process.
#[derive(Debug)]
pub(super) struct ProcessMetrics {
    user: Counter,
    system: Counter,
    memory: Gauge,
    descriptors: Gauge,
    uptime: Gauge,
    started: Instant,
}

impl ProcessMetrics {
    pub(super) fn new(new: &Registrar<'_>) -> Self {
        let cpu = new.float_counter_vec(&catalog::PROCESS_CPU_TIME);
        Self {
            user: cpu.with_label_values(&["user"]),
            system: cpu.with_label_values(&["system"]),
            memory: new.gauge(&catalog::PROCESS_MEMORY_USAGE),
            descriptors: new.gauge(&catalog::PROCESS_FDS),
            uptime: new.gauge(&catalog::PROCESS_UPTIME),
            started: Instant::now(),
        }
    }

    /// Reads /proc again; a value that cannot be read keeps what it was.
    pub(super) fn refresh(&self) {
        self.uptime.set(self.started.elapsed().as_secs_f64());
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        if let Some((user, system)) = cpu_seconds(&stat) {
            self.user.inc_by((user - self.user.get()).max(0.0));
            self.system.inc_by((system - self.system.get()).max(0.0));
        }
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        if let Some(bytes) = resident_bytes(&status) {
            self.memory.set(bytes);
        }
        if let Ok(entries) = fs::read_dir("/proc/self/fd") {
            // The directory's own descriptor is not one of the agent's.
            self.descriptors
                .set(entries.count().saturating_sub(1) as f64);
        }
    }
}

/// User and system time from the text of /proc/PID/stat.
fn cpu_seconds(stat: &str) -> Option<(f64, f64)> {
    // The command may contain spaces and parentheses: fields are counted from its last one.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_ascii_whitespace().skip(11);
    let mut next = || Some(times.next()?.parse::<f64>().ok()? / TICKS_PER_SECOND);
    Some((next()?, next()?))
}

/// `VmRSS` from the text of /proc/PID/status.
fn resident_bytes(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_command_name() {
        let stat = "1 (a) b (c)) S 1 1 1 0 -1 4194560 1 2 3 4 250 50 0 0 20 0 1 0 5 6 7";
        assert_eq!(cpu_seconds(stat), Some((2.5, 0.5)));
        assert_eq!(cpu_seconds("1 (a) S 1"), None);
        assert_eq!(cpu_seconds(""), None);
    }

    #[test]
    fn this_process_uses_memory() {
        let status = fs::read_to_string("/proc/self/status").expect("/proc is mounted");
        assert!(resident_bytes(&status).expect("VmRSS") > 100_000.0);
        assert_eq!(resident_bytes("VmRSS:\t  12 kB\n"), Some(12_288.0));
    }
}
