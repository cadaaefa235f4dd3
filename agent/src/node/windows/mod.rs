//! Probes that are too hot to stay: attached to every target for a short while, again and again.

mod end;

use std::{
    collections::{HashMap, HashSet},
    os::fd::AsFd,
    sync::Arc,
    time::Duration,
};

use agent_ebpf::{counter::Program, target::TargetRef};
use tokio::{
    sync::mpsc::{self, error::SendError},
    task::{JoinHandle, spawn_blocking},
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    adopt::file_key,
    target::{Table, Target},
};
use crate::{
    config::{self, Config, Live},
    doctor::error_chain,
    probe::{Feature, Kernel, ProbeError, Sites},
    resolve::Resolver,
    telemetry::Telemetry,
};

/// How often the budget is checked, also while targets are still being attached.
const CHECK: Duration = Duration::from_millis(50);
/// Targets that are attached and not looked at yet.
const ATTACHED: usize = 16;

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

/// The settings of a feature with windows.
fn wanted(feature: Feature, config: &Config) -> &config::Window {
    match feature {
        Feature::Net => &config.probes.net,
        _ => &config.probes.goroutines,
    }
}

/// Whether one window follows on the other at once, with nothing detached in between.
fn stays(settings: &config::Window) -> bool {
    settings.length == settings.every
}

/// Waits until then, or for ever; false when the settings of the feature change before.
async fn rested(
    until: Option<Instant>,
    feature: Feature,
    settings: &config::Window,
    live: &mut Live,
) -> bool {
    let time = async {
        match until {
            Some(until) => sleep_until(until).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(time);
    loop {
        tokio::select! {
            () = &mut time => return true,
            () = live.changed() => if wanted(feature, &live.now()) != settings {
                return false;
            },
        }
    }
}

impl Windows {
    /// Opens windows of `feature` as the settings say, for ever.
    pub(super) async fn run(self: Arc<Self>, feature: Feature, mut live: Live) {
        let mut open = Vec::new();
        loop {
            let settings = wanted(feature, &live.now()).clone();
            if !settings.enabled || !stays(&settings) {
                // What stayed attached under other settings.
                self.end_all(open, feature, End::Detach).await;
                open = Vec::new();
            }
            let pause = settings.every.0.saturating_sub(settings.length.0);
            let open_at = settings.enabled.then(|| Instant::now() + pause);
            if rested(open_at, feature, &settings, &mut live).await {
                open = self.window(feature, open, &settings, &live).await;
            }
        }
    }

    /// One window, in which some targets may be attached already; answers those that still are. It ends early
    /// when the settings change.
    async fn window(
        self: &Arc<Self>,
        feature: Feature,
        mut open: Vec<Open>,
        settings: &config::Window,
        live: &Live,
    ) -> Vec<Open> {
        let is_wanted = || wanted(feature, &live.now()) == settings;
        let close = Instant::now() + settings.length.0;
        let (tell, mut attached) = mpsc::channel(ATTACHED);
        let attaching = self.attach_all(feature, &open, tell);
        while Instant::now() < close && is_wanted() {
            let check = close.min(Instant::now() + CHECK);
            take_in(&mut attached, &mut open, check).await;
            let over_budget = |window: &mut Open| {
                let now = self.kernel.hits(window.target.reference);
                spent(feature, &now, &window.hits) >= settings.budget
            };
            let over_budget: Vec<Open> = open.extract_if(.., over_budget).collect();
            self.end_all(over_budget, feature, End::OverBudget).await;
        }
        attached.close();
        while let Some(window) = attached.recv().await {
            open.push(window);
        }
        match attaching.await {
            Ok(late) => open.extend(late),
            Err(error) => tracing::error!(%error, "attaching for a window panicked"),
        }
        let end = match stays(settings) && is_wanted() {
            true => End::Stay,
            false => End::Detach,
        };
        self.end_all(open, feature, end).await
    }

    /// Attaches the feature to every target that can have it and has not, one after the other, and tells of
    /// each. Stops when nobody listens any more, and answers the one that it had attached then.
    fn attach_all(
        self: &Arc<Self>,
        feature: Feature,
        open: &[Open],
        tell: mpsc::Sender<Open>,
    ) -> JoinHandle<Option<Open>> {
        let attached: HashSet<TargetRef> =
            open.iter().map(|window| window.target.reference).collect();
        let this = Arc::clone(self);
        spawn_blocking(move || {
            let wanted =
                |target: &Arc<Target>| target.can(feature) && !attached.contains(&target.reference);
            let targets = this.table.live().into_iter().filter(wanted);
            for window in targets.filter_map(|target| this.attach(feature, target)) {
                if let Err(SendError(late)) = tell.blocking_send(window) {
                    return Some(late);
                }
            }
            None
        })
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
}

/// Takes in the targets that are attached until then.
async fn take_in(attached: &mut mpsc::Receiver<Open>, open: &mut Vec<Open>, until: Instant) {
    while let Ok(Some(window)) = timeout_at(until, attached.recv()).await {
        open.push(window);
    }
    sleep_until(until).await;
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
