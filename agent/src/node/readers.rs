//! Reads the Go runtime of every target once per interval, and sooner where the garbage collector is
//! so busy that its record of 256 pauses would go round in between.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::mpsc, time::MissedTickBehavior};

use super::target::{Table, Target};
use crate::telemetry::Telemetry;

/// GC cycles after which a target is read before its time.
const EARLY_CYCLES: u32 = 96;
/// Processes whose cycles are remembered; past it the memory starts anew.
const REMEMBERED: usize = 4_096;
/// Early readings that may wait.
pub(super) const EARLY_READINGS: usize = 256;

/// Watches how fast targets collect, and asks for readings in time.
pub(super) struct GcPace {
    /// Process id -> cycle at the last reading that was asked for.
    asked: Mutex<HashMap<u32, u32>>,
    early: mpsc::Sender<u32>,
}

impl GcPace {
    pub(super) fn new(early: mpsc::Sender<u32>) -> Self {
        Self {
            asked: Mutex::default(),
            early,
        }
    }

    /// Takes note of a stop of the world in the given GC cycle, 0 when that is not known.
    pub(super) fn stopped(&self, pid: u32, cycle: u32) {
        if cycle == 0 {
            return;
        }
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.len() >= REMEMBERED {
            asked.clear();
        }
        let last = asked.entry(pid).or_insert(cycle);
        // A smaller number is another process under the same id.
        let passed = cycle.checked_sub(*last).unwrap_or(EARLY_CYCLES);
        if passed >= EARLY_CYCLES && self.early.try_send(pid).is_ok() {
            *last = cycle;
        }
    }
}

/// Reads all targets every `period`, and single ones when asked to, off the async threads.
pub(super) async fn run(
    table: Arc<Table>,
    telemetry: Arc<Telemetry>,
    period: Duration,
    mut early: mpsc::Receiver<u32>,
) {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let due = tokio::select! {
            _ = ticks.tick() => table.live(),
            Some(pid) = early.recv() => table.get(pid).into_iter().collect(),
        };
        let telemetry = Arc::clone(&telemetry);
        let round = tokio::task::spawn_blocking(move || {
            for target in due {
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
            target
                .timeline
                .ring(&reading.new_gc_cycles, reading.gc_pauses_lost);
        }
        Ok(_) => {}
        Err(error) => {
            tracing::debug!(pid = target.process.id.pid, %error, "cannot read the Go runtime");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_collector_is_read_before_its_record_goes_round() {
        let (early, mut asked) = mpsc::channel(EARLY_READINGS);
        let pace = GcPace::new(early);
        for cycle in 1..=300 {
            pace.stopped(7, cycle);
        }
        let mut readings = 0;
        while asked.try_recv() == Ok(7) {
            readings += 1;
        }
        assert_eq!(readings, 3);
        pace.stopped(7, 0);
        assert!(asked.try_recv().is_err());
    }
}
