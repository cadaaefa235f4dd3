//! Reads the Go runtime of every target once per interval.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use tokio::time::MissedTickBehavior;

use super::target::{Table, Target};
use crate::telemetry::Telemetry;

/// Reads all targets every `period`, off the async threads.
pub(super) async fn run(table: Arc<Table>, telemetry: Arc<Telemetry>, period: Duration) {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let (table, telemetry) = (Arc::clone(&table), Arc::clone(&telemetry));
        let round = tokio::task::spawn_blocking(move || {
            for target in table.live() {
                read(&target, &telemetry);
            }
        });
        if let Err(error) = round.await {
            tracing::error!(%error, "a reading of the targets' runtimes panicked");
        }
    }
}

/// Reads one target and publishes the result, unless the process changed meanwhile.
pub(super) fn read(target: &Target, telemetry: &Telemetry) {
    let mut reader = target.reader.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(reader) = reader.as_mut() else {
        return;
    };
    match reader.read() {
        Ok(reading) if target.process.recheck().is_ok() => {
            telemetry.update_runtime(&target.resource, &reading);
        }
        Ok(_) => {}
        Err(error) => {
            tracing::debug!(pid = target.process.id.pid, %error, "cannot read the Go runtime");
        }
    }
}
