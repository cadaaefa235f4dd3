//! Keeps the set of targets true to what runs: adopts, ends, rescans.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    task::JoinSet,
    time::{Instant, MissedTickBehavior},
};

use super::{
    adopt::{AdoptError, Adopter},
    pump::ProcessChange,
    target::{Table, Target},
};
use crate::{
    discovery::{Candidate, Changes, ExitWatch, RefusedReason, Scanner},
    telemetry::Telemetry,
};

/// Between two scans of /proc. Exec events are quicker; the scan finds what they cannot show, such as
/// a process that was moved into a cgroup of the scope.
const RESCAN: Duration = Duration::from_secs(2);
/// Binaries resolved at the same time.
const ADOPTIONS: usize = 2;

/// A wish of another part of the agent.
pub(super) enum Request {
    /// Adopt this process now and answer when it is done; `true` when it is a live target.
    Adopt(u32, oneshot::Sender<bool>),
}

type Outcome = (Candidate, Result<Target, AdoptError>);

/// The one owner of discovery state.
pub(super) struct Supervisor {
    pub(super) adopter: Arc<Adopter>,
    pub(super) table: Arc<Table>,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) ready: Arc<AtomicBool>,
    pub(super) scanner: Scanner,
    pub(super) abandoned_spans: Arc<AtomicU64>,
    exits: ExitWatch,
    adoptions: JoinSet<Outcome>,
    adopting: HashSet<u32>,
    permits: Arc<Semaphore>,
    waiting: Vec<(u32, oneshot::Sender<bool>)>,
}

impl Supervisor {
    pub(super) fn new(
        adopter: Arc<Adopter>,
        table: Arc<Table>,
        telemetry: Arc<Telemetry>,
        scanner: Scanner,
    ) -> Self {
        Self {
            adopter,
            table,
            telemetry,
            scanner,
            ready: Arc::default(),
            abandoned_spans: Arc::default(),
            exits: ExitWatch::new(),
            adoptions: JoinSet::new(),
            adopting: HashSet::new(),
            permits: Arc::new(Semaphore::new(ADOPTIONS)),
            waiting: Vec::new(),
        }
    }

    /// Works until `stop` is true or its sender is gone, then detaches everything.
    pub(super) async fn run(
        mut self,
        mut changes: mpsc::Receiver<ProcessChange>,
        mut requests: mpsc::Receiver<Request>,
        mut stop: tokio::sync::watch::Receiver<bool>,
    ) {
        let mut rescan = tokio::time::interval(RESCAN);
        rescan.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                Some(change) = changes.recv() => self.process_changed(change),
                id = self.exits.next() => {
                    self.scanner.exited(id);
                    self.end(id.pid);
                }
                Some(outcome) = self.adoptions.join_next() => match outcome {
                    Ok(outcome) => self.adopted(outcome),
                    Err(error) => tracing::error!(%error, "an adoption panicked"),
                },
                Some(Request::Adopt(pid, answer)) = requests.recv() => {
                    self.waiting.push((pid, answer));
                    let changes = self.scanner.check(pid);
                    self.apply(changes);
                    self.answer_waiting();
                }
                _ = rescan.tick() => self.rescan(),
            }
        }
        self.detach_all().await;
    }

    fn rescan(&mut self) {
        match self.scanner.scan() {
            Ok(changes) => self.apply(changes),
            Err(error) => tracing::error!(%error, "cannot list /proc"),
        }
        self.become_ready();
    }

    fn process_changed(&mut self, change: ProcessChange) {
        match change {
            ProcessChange::Exec(pid) => {
                let changes = self.scanner.check(pid);
                self.apply(changes);
            }
            ProcessChange::Exit(pid) => {
                // Only a hint: the first thread may have ended alone, or another one's exec ended it.
                let Some(target) = self.table.get(pid) else {
                    return;
                };
                if target.process.recheck().is_err() {
                    self.scanner.exited(target.process.id);
                    self.end(pid);
                }
            }
        }
    }

    fn apply(&mut self, changes: Changes) {
        for gone in changes.gone {
            self.end(gone.pid);
        }
        for candidate in changes.changed {
            self.end(candidate.id.pid);
            self.adopt(candidate);
        }
        for candidate in changes.new {
            self.adopt(candidate);
        }
        for (pid, reason) in changes.refused {
            self.table.refuse(pid, String::new(), &reason);
        }
    }

    fn adopt(&mut self, candidate: Candidate) {
        self.adopting.insert(candidate.id.pid);
        let adopter = Arc::clone(&self.adopter);
        let permits = Arc::clone(&self.permits);
        self.adoptions.spawn(async move {
            let permit = permits.acquire_owned().await;
            let work = tokio::task::spawn_blocking(move || {
                let outcome = adopter.adopt(&candidate);
                (candidate, outcome)
            });
            let outcome = work.await;
            drop(permit);
            match outcome {
                Ok(outcome) => outcome,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
        });
    }

    fn adopted(&mut self, (candidate, outcome): Outcome) {
        let pid = candidate.id.pid;
        self.adopting.remove(&pid);
        match outcome {
            Ok(target) => self.started(target),
            Err(AdoptError::Refused(RefusedReason::NotGo | RefusedReason::Exited)) => {}
            Err(AdoptError::Refused(RefusedReason::Replaced)) => self.look_again(&candidate),
            Err(error) => {
                tracing::warn!(pid, executable = candidate.executable, %error, "process is not instrumented");
                self.table.refuse_because(
                    pid,
                    candidate.executable,
                    crate::doctor::error_chain(&error),
                );
            }
        }
        self.answer_waiting();
        self.become_ready();
    }

    fn started(&mut self, target: Target) {
        let pid = target.process.id.pid;
        if let Err(error) = self.exits.watch(target.process.id, &target.process.handle) {
            tracing::warn!(pid, %error, "cannot watch for the end of the process; scans will see it");
        }
        tracing::info!(
            pid,
            service = target.resource.service_name,
            go_version = target.binary.go_version,
            "attached"
        );
        let target = Arc::new(target);
        // A later incarnation may have been adopted first; the older one ends here.
        self.end(pid);
        self.table.insert(Arc::clone(&target));
        self.read_runtime(&target);
        if !self.adopter.kernel.is_registered(pid, target.reference) {
            let candidate_gone = target.process.recheck().is_err();
            self.end(pid);
            if candidate_gone {
                let changes = self.scanner.check(pid);
                self.apply(changes);
            }
        }
    }

    /// Takes the first reading at once: the interval may be long, and later ones build on it.
    fn read_runtime(&self, target: &Arc<Target>) {
        let (target, telemetry) = (Arc::clone(target), Arc::clone(&self.telemetry));
        tokio::task::spawn_blocking(move || super::readers::read(&target, &telemetry));
    }

    /// The program changed while it was adopted: the scan knows the old one and must meet the new.
    fn look_again(&mut self, candidate: &Candidate) {
        self.scanner.exited(candidate.id);
        let changes = self.scanner.check(candidate.id.pid);
        self.apply(changes);
    }

    /// Ends the target with this pid, if there is one: its hits stop counting at once, its probes are
    /// removed behind the kernel's grace period on another thread.
    fn end(&mut self, pid: u32) {
        let Some(target) = self.table.remove(pid) else {
            return;
        };
        self.exits.forget(target.process.id);
        let open = self.adopter.release(pid, target.reference);
        self.abandoned_spans.fetch_add(open, Ordering::Relaxed);
        self.telemetry.target_ended(&target.resource);
        tracing::info!(pid, service = target.resource.service_name, "ended");
        tokio::task::spawn_blocking(move || drop(target));
    }

    fn become_ready(&mut self) {
        if self.adopting.is_empty() {
            self.ready.store(true, Ordering::Release);
        }
    }

    fn answer_waiting(&mut self) {
        let (done, waiting): (Vec<_>, Vec<_>) = self
            .waiting
            .drain(..)
            .partition(|(pid, _)| !self.adopting.contains(pid));
        self.waiting = waiting;
        for (pid, answer) in done {
            if answer.send(self.table.get(pid).is_some()).is_err() {
                tracing::debug!(pid, "nobody waits for this adoption any more");
            }
        }
    }

    /// Detaches all targets, each on a thread of its own: a link takes a grace period to close.
    async fn detach_all(&mut self) {
        let started = Instant::now();
        self.adoptions.shutdown().await;
        let targets = self.table.live();
        let count = targets.len();
        let mut detaching = JoinSet::new();
        for target in targets {
            self.table.remove(target.process.id.pid);
            self.adopter
                .release(target.process.id.pid, target.reference);
            detaching.spawn_blocking(move || drop(std::mem::take(&mut *target.attachment())));
        }
        while detaching.join_next().await.is_some() {}
        tracing::info!(targets = count, elapsed = ?started.elapsed(), "detached");
    }
}
