//! What happens by itself: TTLs that run out, instances that go, sessions that end, snapshots.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use tokio::time::{MissedTickBehavior, interval};

use super::{Inner, Registry, alarms::Alarm};
use crate::{model::CheckKey, wheel::TICK};

/// An alarm that could not be written is tried again after this.
const AGAIN: Duration = Duration::from_secs(1);

/// Starts the tasks. They end with the registry.
pub(super) fn start(inner: &Arc<Inner>, snapshot_interval: Option<Duration>) {
    drop(tokio::spawn(tick(Arc::downgrade(inner))));
    if let Some(every) = snapshot_interval {
        drop(tokio::spawn(snapshots(Arc::downgrade(inner), every)));
    }
}

/// Rings alarms and ends sessions, ten times a second.
async fn tick(registry: Weak<Inner>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let Some(inner) = registry.upgrade() else {
            return;
        };
        let registry = Registry { inner };
        let now = Instant::now();
        for (key, alarm) in registry.inner.model.checks.ring(now) {
            match registry.inner.model.checks.get(&key) {
                Some(live) if alarm == Alarm::Run && live.spec.probe.schedule().is_some() => {
                    registry.run_check(key, &live);
                }
                Some(_) => ring(registry.clone(), key, alarm),
                None => {}
            }
        }
        if let Err(error) = registry.inner.store.expire_sessions(now).await {
            tracing::error!(%error, "sessions whose TTL ran out are still there");
        }
    }
}

/// Does what an alarm is for. Not awaited one by one: all that ring together share commits.
fn ring(registry: Registry, key: CheckKey, alarm: Alarm) {
    drop(tokio::spawn(async move {
        if let Err(error) = registry.alarm(key.clone(), alarm).await {
            tracing::error!(%error, ?alarm, check = %key.id, "an alarm had no effect yet");
            let checks = &registry.inner.model.checks;
            checks.ring_again(&key, alarm, Instant::now() + AGAIN);
        }
    }));
}

/// Keeps a snapshot beside the file, when something changed since the last one.
async fn snapshots(registry: Weak<Inner>, every: Duration) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = None;
    loop {
        ticks.tick().await;
        let Some(inner) = registry.upgrade() else {
            return;
        };
        let revision = inner.store.revision();
        if last == Some(revision) {
            continue;
        }
        let kept = tokio::task::spawn_blocking(move || inner.store.keep_snapshot()).await;
        match kept {
            Ok(Ok(_)) => last = Some(revision),
            Ok(Err(error)) => tracing::error!(%error, "no snapshot was kept"),
            Err(error) => tracing::error!(%error, "no snapshot was kept"),
        }
    }
}
