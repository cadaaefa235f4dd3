//! Keeps the set of targets true to what runs: adopts, ends, rescans.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, timeout_at},
};

use super::{
    adopt::{AdoptError, Adopter},
    pump::ProcessChange,
    readers::{self, Readers},
    target::{Table, Target},
};
use crate::{
    config::Live,
    discovery::{Candidate, Changes, ExitWatch, ProcessId, RefusedReason, Scanner},
    doctor::error_chain,
    telemetry::Telemetry,
};

/// Between two scans of /proc. Exec events are quicker; the scan finds what they cannot show, such as
/// a process that was moved into a cgroup of the scope.
const RESCAN: Duration = Duration::from_secs(2);
/// Processes adopted at the same time.
const ADOPTIONS: usize = 2;
/// How long a failure that may pass is left alone.
const RETRY: Duration = Duration::from_secs(30);
/// How long adoptions may still take when golens ends. One that hangs holds nothing up.
const LAST_ADOPTIONS: Duration = Duration::from_secs(2);

/// A wish of another part of the agent.
pub(super) enum Request {
    /// Adopt this process now and answer when it is done; `true` when it is a live target.
    Adopt(u32, oneshot::Sender<bool>),
}

type Outcome = (Candidate, Result<Target, AdoptError>);

/// The one owner of discovery state. Runs on a thread of its own, because scans and end of targets
/// make system calls that would hold up other tasks.
pub(super) struct Supervisor {
    pub(super) adopter: Arc<Adopter>,
    pub(super) table: Arc<Table>,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) ready: Arc<AtomicBool>,
    readers: Arc<Readers>,
    live: Live,
    scanner: Scanner,
    exits: ExitWatch,
    adoptions: JoinSet<Outcome>,
    /// Adoptions under way; an exec can start the second before the first is done.
    adopting: HashMap<u32, usize>,
    permits: Arc<Semaphore>,
    waiting: Vec<(u32, oneshot::Sender<bool>)>,
    retries: Vec<(Instant, ProcessId)>,
}

impl Supervisor {
    pub(super) fn new(
        adopter: Arc<Adopter>,
        table: Arc<Table>,
        telemetry: Arc<Telemetry>,
        readers: Arc<Readers>,
        scanner: Scanner,
    ) -> Self {
        Self {
            live: adopter.live.clone(),
            adopter,
            table,
            telemetry,
            readers,
            scanner,
            ready: Arc::default(),
            exits: ExitWatch::new(),
            adoptions: JoinSet::new(),
            adopting: HashMap::new(),
            permits: Arc::new(Semaphore::new(ADOPTIONS)),
            waiting: Vec::new(),
            retries: Vec::new(),
        }
    }

    /// Works until `stop` is true or its sender is gone, then detaches everything.
    pub(super) async fn run(
        mut self,
        mut changes: mpsc::Receiver<ProcessChange>,
        mut requests: mpsc::Receiver<Request>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut rescan = tokio::time::interval(RESCAN);
        rescan.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                Some(change) = changes.recv() => self.process_changed(change),
                id = self.exits.next() => self.ended(id),
                Some(outcome) = self.adoptions.join_next() => match outcome {
                    Ok(outcome) => self.adopted(outcome),
                    Err(error) => tracing::error!(%error, "an adoption was cancelled"),
                },
                Some(Request::Adopt(pid, answer)) = requests.recv() => {
                    self.waiting.push((pid, answer));
                    self.look_at(pid);
                    self.answer_waiting();
                }
                () = self.live.changed() => self.follow_settings(),
                _ = rescan.tick() => self.rescan(),
            }
        }
        self.detach_all().await;
    }

    /// Goes by the settings that are in effect now: who is a target, and how often each is read.
    fn follow_settings(&mut self) {
        self.scanner.change_scope(&self.live.now().scope);
        for target in self.table.live() {
            self.follow_interval(&target);
        }
        self.rescan();
    }

    fn follow_interval(&self, target: &Target) {
        if let Some(readable) = &target.reader {
            let config = self.live.now();
            let service = &target.resource.service_name;
            let executable = &target.process.executable;
            readable.read_every(readers::interval(&config.runtime, service, executable));
        }
    }

    fn rescan(&mut self) {
        self.forget_failures();
        match self.scanner.scan() {
            Ok(changes) => self.apply(changes),
            Err(error) => tracing::error!(%error, "cannot list /proc"),
        }
        self.table.keep_refused(|pid| self.scanner.exists(pid));
        for target in self.table.live() {
            // An exec whose event was lost: the kernel has ended the target, nobody else knows.
            if !self
                .adopter
                .kernel
                .is_registered(target.process.id.pid, target.reference)
            {
                self.restart(target.process.id);
            }
        }
        self.become_ready();
    }

    fn process_changed(&mut self, change: ProcessChange) {
        match change {
            ProcessChange::Exec { pid, generation } => match self.table.get(pid) {
                Some(target) if target.reference.generation == generation => {
                    self.restart(target.process.id);
                }
                _ => self.look_at(pid),
            },
            ProcessChange::Exit(pid) => {
                // Only a hint: the first thread may have ended alone, or another one's exec ended it.
                let Some(target) = self.table.get(pid) else {
                    return;
                };
                if target.process.recheck().is_err() {
                    self.ended(target.process.id);
                }
            }
        }
    }

    /// Ends a target and looks at its process anew, whatever the scanner thinks it knows.
    fn restart(&mut self, id: ProcessId) {
        self.scanner.exited(id);
        self.end(id.pid);
        self.look_at(id.pid);
    }

    fn ended(&mut self, id: ProcessId) {
        self.scanner.exited(id);
        self.end(id.pid);
    }

    fn look_at(&mut self, pid: u32) {
        let changes = self.scanner.check(pid);
        self.apply(changes);
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
        *self.adopting.entry(candidate.id.pid).or_default() += 1;
        let adopter = Arc::clone(&self.adopter);
        let permits = Arc::clone(&self.permits);
        self.adoptions.spawn(async move {
            let Ok(permit) = permits.acquire_owned().await else {
                return (candidate, Err(AdoptError::Ending));
            };
            let subject = candidate.clone();
            let work = tokio::task::spawn_blocking(move || adopter.adopt(&subject)).await;
            drop(permit);
            (candidate, work.unwrap_or(Err(AdoptError::Panicked)))
        });
    }

    fn adopted(&mut self, (candidate, outcome): Outcome) {
        let pid = candidate.id.pid;
        let current = self.scanner.is_current(&candidate);
        match outcome {
            Ok(target) if current => self.started(target),
            // The process runs another program by now, has ended, or has left the scope.
            Ok(target) => self.discard(target),
            Err(AdoptError::Refused(RefusedReason::Replaced)) if current => {
                self.scanner.exited(candidate.id);
                self.look_at(pid);
            }
            Err(AdoptError::Refused(RefusedReason::Replaced | RefusedReason::Exited)) => {}
            Err(error) if current => self.refused(candidate, &error),
            Err(_) => {}
        }
        self.adopting.retain(|other, count| {
            *count -= usize::from(*other == pid);
            *count > 0
        });
        self.answer_waiting();
        self.become_ready();
    }

    fn started(&mut self, target: Target) {
        let (pid, id, reference) = (target.process.id.pid, target.process.id, target.reference);
        self.end(pid);
        if let Err(error) = self.exits.watch(id, &target.process.handle) {
            tracing::warn!(pid, %error, "cannot watch for the end of the process; scans will see it");
        }
        tracing::info!(
            pid,
            service = target.resource.service_name,
            go_version = target.binary.go_version,
            "attached"
        );
        let target = Arc::new(target);
        self.table.insert(Arc::clone(&target));
        // The settings may have changed while it was adopted.
        self.follow_interval(&target);
        self.read_runtime(&target);
        if !self.adopter.kernel.is_registered(pid, reference) {
            self.restart(id);
        }
    }

    fn refused(&mut self, candidate: Candidate, error: &AdoptError) {
        if matches!(error, AdoptError::Refused(RefusedReason::NotGo)) {
            return;
        }
        let pid = candidate.id.pid;
        let reason = error_chain(error);
        tracing::warn!(
            pid,
            executable = candidate.executable,
            reason,
            "process is not instrumented"
        );
        if error.is_transient() {
            self.retries.push((Instant::now() + RETRY, candidate.id));
        }
        self.table.refuse_because(pid, candidate.executable, reason);
    }

    /// Lets the next scan find processes again whose failure may have passed.
    fn forget_failures(&mut self) {
        let now = Instant::now();
        for (_, id) in self.retries.extract_if(.., |(due, _)| *due <= now) {
            self.scanner.exited(id);
        }
    }

    /// Takes the first reading at once: the interval may be long, and later ones build on it.
    fn read_runtime(&self, target: &Target) {
        if let Some(readable) = &target.reader {
            self.readers.read([Arc::clone(readable)]);
        }
    }

    /// Ends the target with this pid, if there is one: its hits stop counting at once, its probes are
    /// removed behind the kernel's grace period on another thread.
    fn end(&mut self, pid: u32) {
        let Some(target) = self.table.remove(pid) else {
            return;
        };
        self.exits.forget(target.process.id);
        self.adopter.release(pid, target.reference);
        self.telemetry.target_ended(&target.resource);
        tracing::info!(pid, service = target.resource.service_name, "ended");
        tokio::task::spawn_blocking(move || drop(target));
    }

    /// Undoes an adoption that nobody wants any more.
    fn discard(&self, target: Target) {
        self.adopter
            .release(target.process.id.pid, target.reference);
        tokio::task::spawn_blocking(move || drop(target));
    }

    fn become_ready(&mut self) {
        if self.adopting.is_empty() {
            self.ready.store(true, Ordering::Release);
        }
    }

    fn answer_waiting(&mut self) {
        let adopting = &self.adopting;
        for (pid, answer) in self
            .waiting
            .extract_if(.., |(pid, _)| !adopting.contains_key(pid))
        {
            if answer.send(self.table.get(pid).is_some()).is_err() {
                tracing::debug!(pid, "nobody waits for this adoption any more");
            }
        }
    }

    /// Detaches all targets, each on a thread of its own: a link takes a grace period to close.
    async fn detach_all(&mut self) {
        let started = Instant::now();
        let targets = self.table.live();
        let count = targets.len();
        let mut detaching = JoinSet::new();
        for target in targets {
            self.table.remove(target.process.id.pid);
            self.adopter
                .release(target.process.id.pid, target.reference);
            detaching.spawn_blocking(move || drop(std::mem::take(&mut *target.attachment())));
        }
        self.end_adoptions().await;
        while detaching.join_next().await.is_some() {}
        tracing::info!(targets = count, elapsed = ?started.elapsed(), "detached");
    }

    /// Begins no more adoptions, and undoes those under way. One that does not end in time is left to the end
    /// of the agent process, with which the kernel removes all that it attached.
    async fn end_adoptions(&mut self) {
        self.permits.close();
        let until = Instant::now() + LAST_ADOPTIONS;
        while let Ok(Some(outcome)) = timeout_at(until, self.adoptions.join_next()).await {
            if let Ok((_, Ok(target))) = outcome {
                self.discard(target);
            }
        }
        if !self.adoptions.is_empty() {
            let adoptions = self.adoptions.len();
            tracing::warn!(adoptions, "processes are left that could not be looked at");
        }
    }
}
