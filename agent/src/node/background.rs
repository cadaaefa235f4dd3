//! Everything that repeats: clock samples, own metrics, sweeps, runtime readings, windows.

use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use ::config::Watcher;
use agent_ebpf::target::TargetRef;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{profiles::Profiles, report::Counters, target::Table, windows::Windows};
use crate::{
    clock::{Clock, MonotonicNanos},
    config::Live,
    probe::{CROWDED, Feature, Kernel},
    telemetry::Telemetry,
};

/// An open span older than this was abandoned: its handler panicked or took the connection over.
const SPAN_AGE: Duration = Duration::from_secs(6 * 60 * 60);
/// Between two sweeps of open spans.
const SWEEP: Duration = Duration::from_secs(30);

/// What all of it works on.
pub(super) struct Background {
    pub(super) kernel: Arc<Kernel>,
    pub(super) table: Arc<Table>,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) clock: Arc<Clock>,
    pub(super) counters: Counters,
    pub(super) watcher: Watcher,
}

/// Starts all of it; dropping the set ends it.
pub(super) fn start(
    live: &Live,
    parts: Background,
    readings: impl Future<Output = ()> + Send + 'static,
    profiles: Profiles,
) -> JoinSet<()> {
    let Background {
        kernel,
        table,
        telemetry,
        clock,
        counters,
        watcher,
    } = parts;
    let mut tasks = JoinSet::new();
    let every_second = counters.clone();
    let documents = Arc::clone(&telemetry);
    tasks.spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        loop {
            ticks.tick().await;
            clock.tick();
            every_second.publish();
            documents.own().config().publish(&watcher.status());
        }
    });
    tasks.spawn(sweep(
        Arc::clone(&kernel),
        Arc::clone(&table),
        counters.clone(),
    ));
    let runtime = live.now().runtime.clone();
    if runtime.enabled {
        tasks.spawn(readings);
    }
    if runtime.enabled && runtime.goroutines.enabled {
        tasks.spawn(profiles.run(live.clone()));
    }
    let windows = Arc::new(Windows {
        table,
        kernel,
        telemetry,
        resolver: counters.resolver,
    });
    for feature in [Feature::Goroutine, Feature::Net] {
        tasks.spawn(Arc::clone(&windows).run(feature, live.clone()));
    }
    tasks
}

/// Frees open spans that will never end: regularly, and at once when they crowd their map.
async fn sweep(kernel: Arc<Kernel>, table: Arc<Table>, counters: Counters) {
    let mut last = Instant::now();
    loop {
        sleep(Duration::from_secs(1)).await;
        if last.elapsed() < SWEEP && counters.open_spans() < CROWDED as u64 {
            continue;
        }
        last = Instant::now();
        let (kernel, table, abandoned) = (
            Arc::clone(&kernel),
            Arc::clone(&table),
            Arc::clone(&counters.abandoned),
        );
        let work = tokio::task::spawn_blocking(move || {
            let live: HashSet<TargetRef> =
                table.live().iter().map(|target| target.reference).collect();
            let is_live = |target| live.contains(&target);
            let swept = kernel.sweep_open_spans(MonotonicNanos::now(), SPAN_AGE, is_live);
            abandoned.fetch_add(swept, Ordering::Relaxed);
        });
        if let Err(error) = work.await {
            tracing::error!(%error, "a sweep of open spans panicked");
        }
    }
}
