//! Probes that are too hot to stay: attached to every target for a short while, again and again.

use std::{collections::HashMap, os::fd::AsFd, sync::Arc, time::Duration};

use agent_ebpf::{counter::Program, target::TargetRef};
use tokio::{
    task::{JoinSet, spawn_blocking},
    time::{Instant, sleep},
};

use super::{
    adopt::file_key,
    goroutines,
    target::{Table, Target},
};
use crate::{
    config,
    discovery::WindowReport,
    doctor::error_chain,
    probe::{Feature, Kernel, ProbeError, Sites},
    resolve::Resolver,
    telemetry::{
        Telemetry,
        catalog::{self, Metric},
    },
};

/// How often the budget is checked.
const CHECK: Duration = Duration::from_millis(50);

/// What the windows need.
pub(super) struct Windows {
    pub(super) table: Arc<Table>,
    pub(super) kernel: Arc<Kernel>,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) resolver: Arc<Resolver>,
}

/// One target while its window is open; what was counted before is published already.
struct Open {
    target: Arc<Target>,
    since: Instant,
    hits: HashMap<Program, u64>,
    sites: Sites,
}

/// How a window ends.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// Its length is over, and the next one follows later.
    Detach,
    /// Its hits are used up.
    OverBudget,
    /// Its length is over, and the next one follows at once.
    Stay,
}

impl Windows {
    /// Opens windows of `feature` as `settings` say, for ever.
    pub(super) async fn run(self: Arc<Self>, feature: Feature, settings: config::Window) {
        let (length, every) = (settings.length.0, settings.every.0);
        let end = if length == every {
            End::Stay
        } else {
            End::Detach
        };
        let mut open = Vec::new();
        loop {
            sleep(every.saturating_sub(length)).await;
            open = self.window(feature, open, &settings, end).await;
        }
    }

    /// One window, in which some targets may be attached already; answers those that still are.
    async fn window(
        self: &Arc<Self>,
        feature: Feature,
        mut open: Vec<Open>,
        settings: &config::Window,
        end: End,
    ) -> Vec<Open> {
        let close = Instant::now() + settings.length.0;
        open.extend(self.open(feature, &open).await);
        while !open.is_empty() && Instant::now() < close {
            sleep(CHECK.min(close - Instant::now())).await;
            let over_budget = |window: &mut Open| {
                let now = self.kernel.hits(window.target.reference);
                spent(feature, &now, &window.hits) >= settings.budget
            };
            let over_budget: Vec<Open> = open.extract_if(.., over_budget).collect();
            self.end_all(over_budget, feature, End::OverBudget).await;
        }
        sleep(close.saturating_duration_since(Instant::now())).await;
        self.end_all(open, feature, end).await
    }

    /// Attaches the feature to every target that can have it and has not.
    async fn open(self: &Arc<Self>, feature: Feature, open: &[Open]) -> Vec<Open> {
        let attached: Vec<TargetRef> = open.iter().map(|window| window.target.reference).collect();
        let this = Arc::clone(self);
        let attach = move || {
            let wanted =
                |target: &Arc<Target>| target.can(feature) && !attached.contains(&target.reference);
            let targets = this.table.live().into_iter().filter(wanted);
            targets
                .filter_map(|target| this.attach(feature, target))
                .collect()
        };
        spawn_blocking(attach).await.unwrap_or_default()
    }

    fn attach(&self, feature: Feature, target: Arc<Target>) -> Option<Open> {
        let pid = target.process.id.pid;
        match self.try_attach(feature, &target) {
            Ok(hits) => Some(Open {
                since: Instant::now(),
                hits,
                sites: Sites::new(),
                target,
            }),
            Err(error) => {
                target.attachment().remove(feature);
                let error = error_chain(&error);
                tracing::debug!(pid, feature = feature.name(), error, "no window");
                None
            }
        }
    }

    /// Answers the hits before the window.
    fn try_attach(
        &self,
        feature: Feature,
        target: &Target,
    ) -> Result<HashMap<Program, u64>, ProbeError> {
        let hits = self.kernel.hits(target.reference);
        let file = (
            target.process.file.as_fd(),
            file_key(&target.process.incarnation.binary),
        );
        target.attachment().add(
            &self.kernel,
            feature,
            file,
            (target.process.id.pid, target.reference.generation),
            &target.binary.sites,
        )?;
        if feature == Feature::Goroutine {
            self.kernel.goroutines().watch(target.reference)?;
        }
        Ok(hits)
    }

    /// Ends windows at the same time and waits for the grace periods, so that the next window cannot meet
    /// probes of this one. Answers those that stay open.
    async fn end_all(
        self: &Arc<Self>,
        windows: Vec<Open>,
        feature: Feature,
        end: End,
    ) -> Vec<Open> {
        let mut ends = JoinSet::new();
        for window in windows {
            let this = Arc::clone(self);
            ends.spawn_blocking(move || this.end(window, feature, end));
        }
        let mut staying = Vec::new();
        while let Some(ended) = ends.join_next().await {
            match ended {
                Ok(window) => staying.extend(window),
                Err(error) => tracing::error!(%error, "the end of a window panicked"),
            }
        }
        staying
    }

    fn end(&self, mut window: Open, feature: Feature, end: End) -> Option<Open> {
        let target = Arc::clone(&window.target);
        let is_live = self
            .kernel
            .is_registered(target.process.id.pid, target.reference);
        let stays = end == End::Stay && is_live;
        let goroutines = (feature == Feature::Goroutine).then(|| self.kernel.goroutines());
        if let (Some(goroutines), false) = (goroutines, stays)
            && let Err(error) = goroutines.ignore(target.reference)
        {
            tracing::warn!(error = error_chain(&error), "goroutines are still counted");
        }
        let length = window.since.elapsed();
        let hits = self.kernel.hits(target.reference);
        if !stays {
            target.attachment().remove(feature);
        }
        let sites = goroutines.map_or_else(Sites::new, |all| all.read(target.reference));
        if let (Some(goroutines), false) = (goroutines, stays) {
            goroutines.forget(target.reference);
        }
        // The end of a process detaches and forgets everything else.
        if is_live {
            self.publish(&window, feature, &hits, &sites);
            self.report(&window, feature, &hits, length, end == End::OverBudget);
        }
        (window.since, window.hits, window.sites) = (window.since + length, hits, sites);
        stays.then_some(window)
    }

    /// Publishes what was counted.
    fn publish(
        &self,
        window: &Open,
        feature: Feature,
        hits: &HashMap<Program, u64>,
        sites: &Sites,
    ) {
        let target = &window.target;
        match feature {
            Feature::Goroutine => {
                let new = sites_since(sites, &window.sites);
                goroutines::publish(target, &new, &self.resolver, &self.telemetry);
            }
            _ => {
                for &program in feature.programs() {
                    if let Some(metric) = metric(program) {
                        let count = hits_since(hits, &window.hits, program);
                        self.telemetry
                            .add(&target.resource, metric, &[], count as f64);
                    }
                }
            }
        }
    }

    /// Says how the window went.
    fn report(
        &self,
        window: &Open,
        feature: Feature,
        hits: &HashMap<Program, u64>,
        length: Duration,
        over_budget: bool,
    ) {
        let target = &window.target;
        let report = WindowReport {
            feature: feature.name().to_owned(),
            seconds: length.as_secs_f64(),
            hits: spent(feature, hits, &window.hits),
            over_budget,
        };
        self.telemetry.add(
            &target.resource,
            &catalog::PROBE_WINDOW,
            &[feature.name()],
            report.seconds,
        );
        if let Some(reason) = report.reason() {
            tracing::info!(pid = target.process.id.pid, reason, "window closed early");
        }
        target.window_closed(feature, report);
    }
}

/// Hits of all programs of a feature.
fn spent(feature: Feature, now: &HashMap<Program, u64>, before: &HashMap<Program, u64>) -> u64 {
    let programs = feature.programs().iter().chain(feature.extra_programs());
    programs
        .map(|program| hits_since(now, before, *program))
        .sum()
}

fn hits_since(
    now: &HashMap<Program, u64>,
    before: &HashMap<Program, u64>,
    program: Program,
) -> u64 {
    let total = |hits: &HashMap<Program, u64>| hits.get(&program).copied().unwrap_or(0);
    total(now).saturating_sub(total(before))
}

fn sites_since(now: &Sites, before: &Sites) -> Sites {
    now.iter()
        .map(|(pc, stats)| {
            let new = before.get(pc).map(|earlier| stats.since(earlier));
            (*pc, new.unwrap_or(*stats))
        })
        .collect()
}

/// What the hits of a windowed program count.
fn metric(program: Program) -> Option<&'static Metric> {
    match program {
        Program::NetRead => Some(&catalog::NET_READS),
        Program::NetWrite => Some(&catalog::NET_WRITES),
        _ => None,
    }
}
