//! A running agent.

use std::{collections::BTreeMap, fs, path::PathBuf, process::ExitStatus, thread, time::Duration};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    api::{ConfigRow, LogRow, RuntimeRow, ServiceRow, SpanRow, TargetRow},
    gc::GcRow,
    http,
    metrics::Metrics,
    process::{kill, reap, wait_exit},
    registry::{InstanceRow, RegistryRow},
    settings::Settings,
    wait::{wait_for, wait_until},
};

/// How long the agent may take for what it has to do.
const PATIENCE: Duration = Duration::from_secs(20);

/// Counters that stand for a request or a line without a record, by the last part of their name.
const LOSSES: [&str; 8] = [
    "ring_full",
    "no_goroutine",
    "read_failed",
    "open_map_full",
    "end_without_start",
    "end_mismatch",
    "no_offset",
    "abandoned_next_start",
];

/// A running agent; killed when dropped.
#[derive(Debug)]
pub struct Golens {
    pid: u32,
    address: String,
    output: PathBuf,
    ended: Option<ExitStatus>,
}

impl Golens {
    /// The agent behind a fresh process, once its first scan is done.
    pub(super) fn started(pid: u32, output: PathBuf) -> Self {
        let mut golens = Self {
            pid,
            address: String::new(),
            output,
            ended: None,
        };
        golens.await_ready();
        golens
    }

    fn await_ready(&mut self) {
        self.address = wait_for("golens to listen", PATIENCE, || {
            self.assert_running();
            let output = self.output();
            let (_, rest) = output.split_once("listening on http://")?;
            let (address, _) = rest.split_once(|c: char| c == '/' || c.is_whitespace())?;
            Some(address.to_owned())
        });
        wait_until("golens to be ready", PATIENCE, || {
            self.assert_running();
            http::get(&self.address, "/readyz").is_some_and(|answer| answer.status == 200)
        });
    }

    fn assert_running(&mut self) {
        if self.ended.is_none() {
            self.ended = reap(self.pid);
        }
        if let Some(status) = self.ended {
            panic!("golens ended: {status}\n{}", self.output());
        }
    }

    /// Process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Where its API listens.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What it has printed.
    #[must_use]
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.output).unwrap_or_default()).into_owned()
    }

    /// A list of the API: `api("spans", "limit=5")`.
    ///
    /// # Panics
    /// When the agent does not answer with that list.
    #[must_use]
    pub fn api<T: DeserializeOwned>(&self, list: &str, query: &str) -> T {
        let path = format!("/api/v1/{list}?{query}");
        let answer = http::get(&self.address, &path)
            .unwrap_or_else(|| panic!("no answer to {path}\n{}", self.output()));
        let mut document: BTreeMap<String, Value> = answer.json();
        let value = document
            .remove(list)
            .unwrap_or_else(|| panic!("{path} has no {list}"));
        serde_json::from_value(value).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    /// Processes looked at.
    #[must_use]
    pub fn targets(&self) -> Vec<TargetRow> {
        self.api("targets", "")
    }

    /// Requests by service and route.
    #[must_use]
    pub fn services(&self) -> Vec<ServiceRow> {
        self.api("services", "")
    }

    /// Runtime of each process.
    #[must_use]
    pub fn runtime(&self) -> Vec<RuntimeRow> {
        self.api("runtime", "")
    }

    /// Garbage collection cycles of a process, none before it is known.
    #[must_use]
    pub fn gc(&self, pid: u32) -> Option<GcRow> {
        self.api::<Vec<GcRow>>("gc", &format!("pid={pid}")).pop()
    }

    /// How its registry is.
    #[must_use]
    pub fn registry(&self) -> RegistryRow {
        self.api("registry", "")
    }

    /// Where its registry answers, as soon as it does: it starts beside everything else.
    ///
    /// # Panics
    /// When it does not in time.
    #[must_use]
    pub fn registry_at(&self, protocol: &str) -> String {
        wait_for("the registry to answer", PATIENCE, || {
            self.registry().address(protocol).map(str::to_owned)
        })
    }

    /// What its registry holds, without the service that stands for Consul itself.
    #[must_use]
    pub fn instances(&self) -> Vec<InstanceRow> {
        let mut instances: Vec<InstanceRow> = self.api("instances", "");
        instances.retain(|instance| instance.service != "consul");
        instances
    }

    /// How its settings and documents are.
    #[must_use]
    pub fn config(&self) -> ConfigRow {
        self.api("config", "")
    }

    /// Changes the file that it was started with, as editors do, and waits until it was taken or refused.
    /// Answers what happened.
    ///
    /// # Panics
    /// When nothing happens in time.
    pub fn reconfigure(&self, settings: &Settings) -> Value {
        let seen = self.config().events.len();
        settings.write(&self.output.with_extension("yaml"));
        wait_for("the changed settings to be looked at", PATIENCE, || {
            let events = self.config().events.into_iter().skip(seen);
            let decided =
                |event: &Value| matches!(event["happened"].as_str(), Some("applied" | "rejected"));
            events.into_iter().find(decided)
        })
    }

    /// All spans kept.
    #[must_use]
    pub fn spans(&self) -> Vec<SpanRow> {
        self.api("spans", "limit=1000000")
    }

    /// All log lines kept.
    #[must_use]
    pub fn logs(&self) -> Vec<LogRow> {
        self.api("logs", "limit=1000000")
    }

    /// Counters of the kernel side and of drops.
    #[must_use]
    pub fn counters(&self) -> BTreeMap<String, u64> {
        self.api("counters", "")
    }

    /// Target metrics, from `/metrics`.
    ///
    /// # Panics
    /// When the agent does not answer.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let accept = "text/plain;version=0.0.4";
        let answer = http::get_as(&self.address, "/metrics", accept).expect("metrics");
        assert_eq!(answer.status, 200, "{}", answer.body);
        Metrics::parse(&answer.body)
    }

    /// How often the kernel ran a program, by the kernel's own statistics.
    ///
    /// # Panics
    /// When the agent does not say.
    #[must_use]
    pub fn kernel_runs(&self, program: &str) -> u64 {
        let name = format!("kernel_runs.{program}");
        let counters = self.counters();
        *counters
            .get(&name)
            .unwrap_or_else(|| panic!("no counter {name} in {counters:?}"))
    }

    /// Everything that was lost, by reason; empty when nothing was.
    #[must_use]
    pub fn drops(&self) -> BTreeMap<String, u64> {
        self.counters()
            .into_iter()
            .filter(|(name, count)| *count > 0 && is_loss(name))
            .collect()
    }

    /// How much was lost for one reason, 0 when the agent does not list it. The kernel side's counter
    /// and the agent's own metric of it are the same number twice.
    #[must_use]
    pub fn lost(&self, reason: &str) -> u64 {
        let counters = self.counters().into_iter();
        let of_reason = counters.filter(|(name, _)| loss_reason(name) == Some(reason));
        of_reason.map(|(_, count)| count).max().unwrap_or(0)
    }

    /// Waits until a process is attached with these features and returns its row.
    ///
    /// # Panics
    /// When it is not in time.
    #[must_use]
    pub fn await_attached(&self, pid: u32, features: &[&str]) -> TargetRow {
        let mut seen = None;
        let found = (0..PATIENCE.as_millis() / 20).find_map(|_| {
            seen = self.targets().into_iter().find(|target| target.pid == pid);
            let attached = seen.as_ref().is_some_and(|target| {
                target.state == "attached"
                    && features
                        .iter()
                        .all(|wanted| target.probes.iter().any(|probe| probe.feature == *wanted))
            });
            if !attached {
                thread::sleep(Duration::from_millis(20));
            }
            attached.then(|| seen.clone()).flatten()
        });
        found.unwrap_or_else(|| {
            panic!(
                "pid {pid} was not attached with {features:?}: {seen:?}\n{}",
                self.output()
            )
        })
    }

    /// Requests of a service that were counted, whatever the route.
    #[must_use]
    pub fn requests_of(&self, service: &str) -> u64 {
        self.services()
            .iter()
            .filter(|row| row.service == service)
            .map(|row| row.requests)
            .sum()
    }

    /// Waits until that many requests of a service were counted.
    ///
    /// # Panics
    /// When they are not in time, with what was lost.
    pub fn await_requests(&self, service: &str, requests: u64) {
        let mut counted = 0;
        for _ in 0..PATIENCE.as_millis() / 50 {
            counted = self.requests_of(service);
            if counted >= requests {
                break;
            }
            thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(
            counted,
            requests,
            "requests of {service}; drops {:?}",
            self.drops()
        );
    }

    /// Waits until exactly that many spans are kept; a span may be held until its trace is complete.
    ///
    /// # Panics
    /// When there are more, or not as many in time.
    #[must_use]
    pub fn await_spans(&self, count: u64) -> Vec<SpanRow> {
        let mut kept = 0;
        let spans = (0..PATIENCE.as_millis() / 100).find_map(|_| {
            let spans = self.spans();
            kept = spans.len() as u64;
            if kept < count {
                thread::sleep(Duration::from_millis(100));
            }
            (kept >= count).then_some(spans)
        });
        assert_eq!(kept, count, "spans kept; drops {:?}", self.drops());
        spans.unwrap_or_default()
    }

    /// Asks it to detach and end.
    ///
    /// # Panics
    /// When it does not end in time, or not with 0.
    pub fn stop(mut self) {
        self.assert_running();
        kill(self.pid, libc::SIGTERM);
        let status = wait_exit("golens", self.pid, Duration::from_secs(15));
        self.ended = Some(status);
        assert!(status.success(), "golens: {status}\n{}", self.output());
    }
}

impl Drop for Golens {
    fn drop(&mut self) {
        if thread::panicking() {
            // The directory stays too; the end of the log tells most failures.
            let output = self.output();
            let lines: Vec<&str> = output.lines().rev().take(30).collect();
            #[expect(clippy::print_stderr, reason = "shown with the failed test")]
            for line in lines.iter().rev() {
                eprintln!("golens| {line}");
            }
        }
        if self.ended.is_none() {
            self.ended = reap(self.pid);
        }
        if self.ended.is_none() {
            kill(self.pid, libc::SIGKILL);
            self.ended = Some(wait_exit("golens", self.pid, Duration::from_secs(10)));
        }
    }
}

/// Whether a counter counts what should have become a record and did not.
fn is_loss(name: &str) -> bool {
    name.contains("drop") || loss_reason(name).is_some_and(|reason| LOSSES.contains(&reason))
}

/// `ring_full` of `ring_full`, `kernel.ring_full` and `golens_drops_total{reason="ring_full"}`.
fn loss_reason(name: &str) -> Option<&str> {
    match name.split_once("reason=\"") {
        Some((_, rest)) => rest.split('"').next(),
        None => name.rsplit('.').next(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_told_from_other_counters() {
        assert!(is_loss("ring_full"));
        assert!(is_loss("kernel.ring_full"));
        assert!(is_loss("otlp.dropped_queue_full"));
        let metric = "golens_drops_total{reason=\"ring_full\"}";
        assert_eq!(
            (is_loss(metric), loss_reason(metric)),
            (true, Some("ring_full"))
        );
        assert!(!is_loss("events_submitted"));
        assert!(!is_loss("kernel_runs.http_server_start"));
    }
}
