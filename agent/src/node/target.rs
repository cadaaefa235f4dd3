//! Live targets, and what the API shows of them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use agent_ebpf::target::TargetRef;
use tokio::sync::watch;

use super::{goroutines::KnownSites, profiles::Goroutines, readers::Readable};
use crate::{
    discovery::{
        ProbeReport, Process, RefusedReason, TargetReport, TargetState, UnresolvedReport,
        WindowReport,
    },
    identity::Resource,
    probe::{Attachment, Feature, Kernel},
    resolve::BinaryInfo,
    runtime::GoroutineReport,
    services::Subject,
};

/// One Go process with its probes.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) reference: TargetRef,
    pub(super) process: Arc<Process>,
    pub(super) resource: Arc<Resource>,
    pub(super) binary: Arc<BinaryInfo>,
    pub(super) attachment: Mutex<Attachment>,
    /// For readers of its memory; none when that is off, or the binary does not tell where to read.
    pub(super) reader: Option<Arc<Readable>>,
    /// The same, for profiles of its goroutines.
    pub(super) goroutines: Option<Arc<Goroutines>>,
    /// Added to an address of the file it is the address in the process.
    pub(super) bias: u64,
    /// The last window of each feature that has windows.
    pub(super) windows: Mutex<BTreeMap<Feature, WindowReport>>,
    /// Creation sites that have series of their own.
    pub(super) sites: Mutex<KnownSites>,
    /// What went wrong at attach, beside what the binary lacks.
    pub(super) problems: Vec<UnresolvedReport>,
}

impl Target {
    pub(super) fn attachment(&self) -> MutexGuard<'_, Attachment> {
        self.attachment
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps how a window went, for whoever asks why a probe is not there.
    pub(super) fn window_closed(&self, feature: Feature, report: WindowReport) {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        windows.insert(feature, report);
    }

    /// Whether the binary has sites for a feature.
    pub(super) fn can(&self, feature: Feature) -> bool {
        self.binary.features.contains(&feature)
    }

    fn report(&self, kernel: &Kernel) -> TargetReport {
        let hits = kernel.hits(self.reference);
        let attachment = self.attachment();
        let mut programs: Vec<_> = attachment.programs().collect();
        programs.sort_by_key(|(program, _)| (Feature::of(*program), *program));
        let probes = programs
            .into_iter()
            .map(|(program, attached)| ProbeReport {
                feature: Feature::of(program).name().to_owned(),
                function: attached.site.function.clone(),
                address: attached.site.address,
                instruction: attached.site.instruction.clone(),
                hits: hits.get(&program).copied().unwrap_or(0),
            })
            .collect();
        let mut unresolved = self.binary.unresolved.clone();
        unresolved.extend(self.problems.iter().cloned());
        let windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let windows: Vec<WindowReport> = windows.values().cloned().collect();
        let missing = unresolved
            .first()
            .map(|first| format!("{}: {}", first.what, first.reason));
        TargetReport {
            pid: self.process.id.pid,
            service: self.resource.service_name.clone(),
            executable: self.process.executable.clone(),
            state: if unresolved.is_empty() {
                TargetState::Attached
            } else {
                TargetState::Partial
            },
            reason: missing.or_else(|| windows.iter().find_map(WindowReport::reason)),
            go_version: self.binary.go_version.clone(),
            build_id: self.binary.build_id.clone(),
            symbol_source: self.binary.symbol_source.clone(),
            layout_source: self.binary.layout_source.clone(),
            probes,
            windows,
            unresolved,
        }
    }
}

/// Every process golens has something to say about.
#[derive(Debug, Default)]
pub(super) struct Table {
    entries: RwLock<BTreeMap<u32, Entry>>,
    /// Counts live targets that came or went, for whoever follows them.
    changes: watch::Sender<u64>,
}

#[derive(Debug)]
enum Entry {
    Live(Arc<Target>),
    Refused(Box<TargetReport>),
}

impl Table {
    pub(super) fn insert(&self, target: Arc<Target>) {
        self.write()
            .insert(target.process.id.pid, Entry::Live(target));
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// Tells each time that a live target came or went.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Takes a live target out, or forgets why a process was refused.
    pub(super) fn remove(&self, pid: u32) -> Option<Arc<Target>> {
        match self.write().remove(&pid)? {
            Entry::Live(target) => {
                self.changes.send_modify(|changes| *changes += 1);
                Some(target)
            }
            Entry::Refused(_) => None,
        }
    }

    pub(super) fn refuse(&self, pid: u32, executable: String, reason: &RefusedReason) {
        self.refuse_because(pid, executable, reason.to_string());
    }

    pub(super) fn refuse_because(&self, pid: u32, executable: String, reason: String) {
        let report = TargetReport {
            executable,
            reason: Some(reason),
            ..TargetReport::bare(pid, TargetState::Refused)
        };
        self.write().insert(pid, Entry::Refused(Box::new(report)));
    }

    /// Forgets refused processes that `is_there` does not find any more.
    pub(super) fn keep_refused(&self, is_there: impl Fn(u32) -> bool) {
        self.write()
            .retain(|pid, entry| matches!(entry, Entry::Live(_)) || is_there(*pid));
    }

    pub(super) fn get(&self, pid: u32) -> Option<Arc<Target>> {
        match self.read().get(&pid)? {
            Entry::Live(target) => Some(Arc::clone(target)),
            Entry::Refused(_) => None,
        }
    }

    pub(super) fn live(&self) -> Vec<Arc<Target>> {
        let live = |entry: &Entry| match entry {
            Entry::Live(target) => Some(Arc::clone(target)),
            Entry::Refused(_) => None,
        };
        self.read().values().filter_map(live).collect()
    }

    /// Processes that are observed, with their identity.
    pub(super) fn subjects(&self) -> Vec<Subject> {
        let subject = |target: Arc<Target>| Subject {
            id: target.process.id,
            resource: Arc::clone(&target.resource),
        };
        self.live().into_iter().map(subject).collect()
    }

    /// What can be read of all live targets.
    pub(super) fn readable(&self) -> Vec<Arc<Readable>> {
        let readable = |entry: &Entry| match entry {
            Entry::Live(target) => target.reader.clone(),
            Entry::Refused(_) => None,
        };
        self.read().values().filter_map(readable).collect()
    }

    /// Live targets, and how many processes were refused.
    pub(super) fn numbers(&self) -> (Vec<Arc<Target>>, usize) {
        let live = self.live();
        let refused = self.read().len().saturating_sub(live.len());
        (live, refused)
    }

    /// The last goroutine profile of each live target.
    pub(super) fn goroutines(&self) -> Vec<Arc<GoroutineReport>> {
        let targets = self.live().into_iter();
        targets
            .filter_map(|target| target.goroutines.as_ref()?.latest())
            .collect()
    }

    /// Live targets whose goroutines can be profiled.
    pub(super) fn profiled(&self) -> Vec<Arc<Goroutines>> {
        let goroutines = |entry: &Entry| match entry {
            Entry::Live(target) => target.goroutines.clone(),
            Entry::Refused(_) => None,
        };
        self.read().values().filter_map(goroutines).collect()
    }

    pub(super) fn reports(&self, kernel: &Kernel) -> Vec<TargetReport> {
        self.read()
            .values()
            .map(|entry| match entry {
                Entry::Live(target) => target.report(kernel),
                Entry::Refused(report) => TargetReport::clone(report),
            })
            .collect()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<u32, Entry>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<u32, Entry>> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
    }
}
