//! The end of windows, in phases for all targets together: the maps are walked over once per end, however
//! many targets there are, and all grace periods pass at the same time.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use agent_ebpf::{counter::Program, target::TargetRef};
use tokio::task::{JoinError, JoinSet, spawn_blocking};

use super::{End, Open, Windows, hits_since, spent};
use crate::{
    discovery::WindowReport,
    doctor::error_chain,
    node::goroutines,
    probe::{Feature, Sites},
    telemetry::catalog::{self, Metric},
};

/// A window that counts no more.
struct Ended {
    window: Open,
    /// The process is there; else its end detaches and forgets everything.
    is_live: bool,
    /// The probes stay for the next window.
    stays: bool,
    length: Duration,
    hits: HashMap<Program, u64>,
}

impl Windows {
    /// Ends windows together and waits for the grace periods, so that the next window cannot meet probes of
    /// this one. Answers those that stay open.
    pub(super) async fn end_all(
        self: &Arc<Self>,
        windows: Vec<Open>,
        feature: Feature,
        end: End,
    ) -> Vec<Open> {
        if windows.is_empty() {
            return windows;
        }
        let this = Arc::clone(self);
        let stop = move || -> Vec<Ended> {
            let windows = windows.into_iter();
            windows
                .map(|window| this.stop(window, feature, end))
                .collect()
        };
        let Some(ended) = finished(spawn_blocking(stop).await) else {
            return Vec::new();
        };
        detach(&ended, feature).await;
        let this = Arc::clone(self);
        let read = move || {
            let sites = this.read_and_forget(&ended, feature);
            (ended, sites)
        };
        let Some((ended, mut sites)) = finished(spawn_blocking(read).await) else {
            return Vec::new();
        };
        let mut settling = JoinSet::new();
        for one in ended {
            let this = Arc::clone(self);
            let reference = one.window.target.reference;
            let sites = sites.remove(&reference).unwrap_or_default();
            settling.spawn_blocking(move || this.settle(one, sites, feature, end));
        }
        let mut staying = Vec::new();
        while let Some(settled) = settling.join_next().await {
            staying.extend(finished(settled).flatten());
        }
        staying
    }

    /// Counts no more of a target whose probes will go, and takes the time and the hits.
    fn stop(&self, window: Open, feature: Feature, end: End) -> Ended {
        let target = &window.target;
        let is_live = self
            .kernel
            .is_registered(target.process.id.pid, target.reference);
        let stays = end == End::Stay && is_live;
        if feature == Feature::Goroutine
            && !stays
            && let Err(error) = self.kernel.goroutines().ignore(target.reference)
        {
            tracing::warn!(error = error_chain(&error), "goroutines are still counted");
        }
        Ended {
            is_live,
            stays,
            length: window.since.elapsed(),
            hits: self.kernel.hits(target.reference),
            window,
        }
    }

    /// What was counted of each target by creation site. That of detached ones is freed.
    fn read_and_forget(&self, ended: &[Ended], feature: Feature) -> HashMap<TargetRef, Sites> {
        if feature != Feature::Goroutine {
            return HashMap::new();
        }
        let of = |wanted: &dyn Fn(&&Ended) -> bool| -> HashSet<TargetRef> {
            let ended = ended.iter().filter(wanted);
            ended.map(|one| one.window.target.reference).collect()
        };
        let goroutines = self.kernel.goroutines();
        let sites = goroutines.read(&of(&|_| true));
        goroutines.forget(&of(&|one| !one.stays));
        sites
    }

    /// Publishes what a window counted, and begins the next one where the probes stay.
    fn settle(&self, ended: Ended, sites: Sites, feature: Feature, end: End) -> Option<Open> {
        let Ended {
            mut window,
            is_live,
            stays,
            length,
            hits,
        } = ended;
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

/// Removes the probes of all that do not stay; each removal waits for a grace period of the kernel.
async fn detach(ended: &[Ended], feature: Feature) {
    let mut detaching = JoinSet::new();
    for one in ended.iter().filter(|one| !one.stays) {
        let target = Arc::clone(&one.window.target);
        detaching.spawn_blocking(move || target.attachment().remove(feature));
    }
    while let Some(detached) = detaching.join_next().await {
        finished(detached);
    }
}

/// What a phase answered; none when it panicked.
fn finished<T>(joined: Result<T, JoinError>) -> Option<T> {
    joined
        .inspect_err(|error| tracing::error!(%error, "the end of a window panicked"))
        .ok()
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
