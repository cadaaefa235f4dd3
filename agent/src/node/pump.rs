//! The event thread: empties both rings, one batch after the other.

use std::{
    io,
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use agent_ebpf::event::process::{PROCESS_EXEC, ProcessEvent};
use tokio::sync::mpsc;

use super::NodeSink;
use crate::{
    correlate::Correlator,
    event::{Drain, Waiter, process_event},
    probe::Rings,
};

/// An exec or exit, for the supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProcessChange {
    Exec(u32),
    Exit(u32),
}

/// The running thread.
pub(super) struct Pump {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// Changes that found the channel full; the supervisor then scans.
    pub(super) missed: Arc<AtomicU64>,
}

/// Process changes that may wait for the supervisor.
pub(super) const CHANGES: usize = 8_192;

impl Pump {
    /// Starts to read the rings every `period`, or sooner at the kernel's mark.
    pub(super) fn start(
        mut rings: Rings,
        correlator: Arc<Correlator<NodeSink>>,
        changes: mpsc::Sender<ProcessChange>,
        period: Duration,
    ) -> io::Result<Self> {
        let waiter = Waiter::new(rings.events.as_fd())?;
        let stop = Arc::new(AtomicBool::new(false));
        let missed = Arc::new(AtomicU64::new(0));
        let (stopping, missing) = (Arc::clone(&stop), Arc::clone(&missed));
        let work = move || {
            while !stopping.load(Ordering::Acquire) {
                waiter.wait(period);
                rings
                    .processes
                    .drain(|record| forward(record, &changes, &missing));
                rings.events.drain(|record| correlator.handle(record));
            }
            // What was submitted before the probes were detached.
            rings.events.drain(|record| correlator.handle(record));
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
            ..
        }) => ProcessChange::Exec(pid),
        // Most processes of a node are no targets; their exits matter to nobody.
        Ok(event) if event.generation != 0 => ProcessChange::Exit(event.pid),
        Ok(_) => return,
        Err(error) => {
            tracing::error!(%error, "process ring holds a record that cannot be read");
            return;
        }
    };
    if changes.try_send(change).is_err() {
        missed.fetch_add(1, Ordering::Relaxed);
    }
}
