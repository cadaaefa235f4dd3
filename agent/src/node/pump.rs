//! The event thread: empties both rings, one batch after the other.

use std::{
    io,
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use agent_ebpf::event::process::{PROCESS_EXEC, ProcessEvent};
use tokio::sync::mpsc;

use super::NodeSink;
use crate::{
    clock::MonotonicNanos,
    config::Live,
    correlate::Correlator,
    event::{Drain, Waiter, process_event},
    probe::Rings,
};

/// An exec or exit, for the supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProcessChange {
    /// A process has a new program; `generation` is that of the target it was, 0 for none.
    Exec {
        pid: u32,
        generation: u32,
    },
    Exit(u32),
}

/// The running thread.
pub(super) struct Pump {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// Changes that found the channel full; the next scan sees them.
    pub(super) missed: Arc<AtomicU64>,
}

/// Process changes that may wait for the supervisor.
pub(super) const CHANGES: usize = 8_192;

impl Pump {
    /// Starts to read the rings as often as the settings say, or sooner at the kernel's mark.
    pub(super) fn start(
        mut rings: Rings,
        correlator: Arc<Correlator<NodeSink>>,
        changes: mpsc::Sender<ProcessChange>,
        live: Live,
    ) -> io::Result<Self> {
        let waiter = Waiter::new(rings.events.as_fd())?;
        let stop = Arc::new(AtomicBool::new(false));
        let missed = Arc::new(AtomicU64::new(0));
        let (stopping, missing) = (Arc::clone(&stop), Arc::clone(&missed));
        let work = move || {
            while !stopping.load(Ordering::Acquire) {
                waiter.wait(live.now().probes.drain.0);
                rings
                    .processes
                    .drain(|record| forward(record, &changes, &missing));
                rings.events.drain(|record| correlator.handle(record));
                correlator.settle(MonotonicNanos::now());
            }
            // What was submitted before the probes were detached.
            while rings.events.drain(|record| correlator.handle(record)) > 0 {}
            // No further stop of the world will be reported.
            correlator.settle(MonotonicNanos(u64::MAX));
        };
        let thread = thread::Builder::new()
            .name("events".to_owned())
            .spawn(work)?;
        Ok(Self {
            stop,
            thread: Some(thread),
            missed,
        })
    }

    /// Reads what is left and ends the thread.
    pub(super) fn stop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the event thread ended with a panic");
        }
    }
}

fn forward(record: &[u8], changes: &mpsc::Sender<ProcessChange>, missed: &AtomicU64) {
    let change = match process_event(record) {
        Ok(&ProcessEvent {
            kind: PROCESS_EXEC,
            pid,
            generation,
            ..
        }) => ProcessChange::Exec { pid, generation },
        Ok(event) => ProcessChange::Exit(event.pid),
        Err(error) => {
            tracing::error!(%error, "process ring holds a record that cannot be read");
            return;
        }
    };
    if changes.try_send(change).is_err() {
        missed.fetch_add(1, Ordering::Relaxed);
    }
}
