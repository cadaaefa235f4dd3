//! Probes that are too hot to stay: attached to every target for a short while, again and again.

use std::{collections::HashMap, os::fd::AsFd, sync::Arc, time::Duration};

use agent_ebpf::{counter::Program, target::TargetRef};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{
    adopt::file_key,
    target::{Table, Target},
};
use crate::{
    config,
    probe::{Feature, Kernel},
    telemetry::{
        Telemetry,
        catalog::{self, Metric},
    },
};

/// Hits one target may cost in one window; past it, its window ends early.
///
/// At 0.5 us a hit these are 25 ms of CPU, 2.5 % of a core over a window of one second.
const HITS_PER_WINDOW: u64 = 50_000;
/// How often the budget is checked.
const CHECK: Duration = Duration::from_millis(50);

/// What the windows need.
pub(super) struct Windows {
    pub(super) table: Arc<Table>,
    pub(super) kernel: Arc<Kernel>,
    pub(super) telemetry: Arc<Telemetry>,
}

struct Open {
    target: Arc<Target>,
    since: Instant,
    before: HashMap<Program, u64>,
}

impl Windows {
    /// Opens windows of `feature` as `settings` say, for ever.
    pub(super) async fn run(self: Arc<Self>, feature: Feature, settings: config::Window) {
        let (length, every) = (settings.length.0, settings.every.0);
        loop {
            sleep(every.saturating_sub(length)).await;
            self.window(feature, length).await;
        }
    }

    async fn window(&self, feature: Feature, length: Duration) {
        let mut open = self.open(feature).await;
        let end = Instant::now() + length;
        while !open.is_empty() && Instant::now() < end {
            sleep(CHECK.min(end - Instant::now())).await;
            let spent = |window: &Open| self.hits(window, feature) >= HITS_PER_WINDOW;
            let over_budget: Vec<Open> = open.extract_if(.., |window| spent(window)).collect();
            self.close_all(over_budget, feature, true).await;
        }
        self.close_all(open, feature, false).await;
    }

    /// Closes windows at the same time and waits for the grace periods, so that the next window cannot
    /// meet probes of this one.
    async fn close_all(&self, windows: Vec<Open>, feature: Feature, over_budget: bool) {
        let mut removals = JoinSet::new();
        for window in windows {
            self.publish(&window, feature, over_budget);
            removals.spawn_blocking(move || window.target.attachment().remove(feature));
        }
        while removals.join_next().await.is_some() {}
    }

    async fn open(&self, feature: Feature) -> Vec<Open> {
        let (table, kernel) = (Arc::clone(&self.table), Arc::clone(&self.kernel));
        let attach = move || {
            let can = |target: &Arc<Target>| target.can(feature);
            table
                .live()
                .into_iter()
                .filter(can)
                .filter_map(|target| open(&kernel, feature, target))
                .collect()
        };
        tokio::task::spawn_blocking(attach)
            .await
            .unwrap_or_default()
    }

    /// Publishes what was counted.
    fn publish(&self, window: &Open, feature: Feature, over_budget: bool) {
        let length = window.since.elapsed();
        let (pid, reference) = (window.target.process.id.pid, window.target.reference);
        if !self.kernel.is_registered(pid, reference) {
            // It ended meanwhile, and the end detaches and forgets everything.
            return;
        }
        let now = self.kernel.hits(window.target.reference);
        for &program in feature.programs() {
            let hits = since(window, &now, program);
            let resource = &window.target.resource;
            if let Some(metric) = metric(program) {
                self.telemetry.add(resource, metric, &[], hits as f64);
            }
        }
        let attributes = [feature.name()];
        let seconds = length.as_secs_f64();
        let resource = &window.target.resource;
        self.telemetry
            .add(resource, &catalog::PROBE_WINDOW, &attributes, seconds);
        if over_budget {
            tracing::info!(
                pid = window.target.process.id.pid,
                feature = feature.name(),
                ?length,
                "window closed early: it had used up its hits"
            );
        }
    }

    fn hits(&self, window: &Open, feature: Feature) -> u64 {
        let now = self.kernel.hits(window.target.reference);
        feature
            .programs()
            .iter()
            .map(|program| since(window, &now, *program))
            .sum()
    }
}

/// Hits of a program since a window was opened.
fn since(window: &Open, now: &HashMap<Program, u64>, program: Program) -> u64 {
    let total = |hits: &HashMap<Program, u64>| hits.get(&program).copied().unwrap_or(0);
    total(now).saturating_sub(total(&window.before))
}

/// What the hits of a windowed program count.
fn metric(program: Program) -> Option<&'static Metric> {
    match program {
        Program::GoroutineNew => Some(&catalog::GOROUTINES_CREATED),
        Program::NetRead => Some(&catalog::NET_READS),
        Program::NetWrite => Some(&catalog::NET_WRITES),
        _ => None,
    }
}

fn open(kernel: &Kernel, feature: Feature, target: Arc<Target>) -> Option<Open> {
    let reference: TargetRef = target.reference;
    let before = kernel.hits(reference);
    let file = (
        target.process.file.as_fd(),
        file_key(&target.process.incarnation.binary),
    );
    let pid = target.process.id.pid;
    let added = target.attachment().add(
        kernel,
        feature,
        file,
        (pid, reference.generation),
        &target.binary.sites,
    );
    match added {
        Ok(()) => Some(Open {
            since: Instant::now(),
            before,
            target,
        }),
        Err(error) => {
            tracing::debug!(pid, feature = feature.name(), %error, "no window");
            None
        }
    }
}
