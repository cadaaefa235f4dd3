//! A candidate becomes a target: opened, resolved, identified, registered, attached.

use std::{
    os::fd::AsFd,
    sync::{Arc, Mutex, PoisonError},
};

use agent_ebpf::{offsets::Offsets, target::TargetRef};

use super::{NodeSink, target::Target};
use crate::{
    config,
    correlate::{Correlator, Identity},
    discovery::{BinaryKey, Candidate, Opener, Process, RefusedReason, UnresolvedReport},
    doctor::error_chain,
    identity::{self, GoProgram, Node, ProcessFacts},
    probe::{Attachment, Feature, FileKey, Kernel, ProbeError, Slots},
    resolve::{self, BinaryInfo, Cache},
    runtime::Reader,
};

/// What adoption needs; shared by all that run at the same time.
pub(super) struct Adopter {
    pub(super) node: Node,
    pub(super) kernel: Arc<Kernel>,
    pub(super) correlator: Arc<Correlator<NodeSink>>,
    pub(super) probes: config::Probes,
    pub(super) runtime: config::Runtime,
    pub(super) opener: Mutex<Opener>,
    pub(super) cache: Cache,
    pub(super) slots: Mutex<Slots>,
}

/// Why a process did not become a target.
#[derive(Debug, thiserror::Error)]
pub(super) enum AdoptError {
    #[error(transparent)]
    Refused(#[from] RefusedReason),
    #[error("its executable cannot be used: {0}")]
    Binary(Arc<str>),
    #[error(transparent)]
    Probe(#[from] ProbeError),
}

impl Adopter {
    /// Takes tens of milliseconds for a new binary, a few for a known one. Blocks.
    pub(super) fn adopt(&self, candidate: &Candidate) -> Result<Target, AdoptError> {
        let process = lock(&self.opener).open(candidate)?;
        let binary = self.resolve(&process)?;
        let resource = Arc::new(identity::resolve(
            &self.node,
            &ProcessFacts::read(&process),
            &program(&binary),
        ));
        let bias = process.load_base(binary.base_address)?;
        let reference = lock(&self.slots).take()?;
        // Known before the first hit can arrive.
        self.correlator.add(
            reference,
            Identity {
                resource: Arc::clone(&resource),
                writers: Arc::new(binary.writers.moved(bias)),
            },
        );
        match self.attach(&process, &binary, reference, bias) {
            Ok((attachment, problems)) => {
                let process = Arc::new(process);
                let reader = self.reader(&process, &binary);
                Ok(Target {
                    reference,
                    process,
                    resource,
                    binary,
                    attachment: Mutex::new(attachment),
                    reader: Mutex::new(reader),
                    problems,
                })
            }
            Err(error) => {
                self.release(process.id.pid, reference);
                Err(error)
            }
        }
    }

    /// Ends a target's state everywhere but in its attachment; returns the spans that were open.
    pub(super) fn release(&self, pid: u32, reference: TargetRef) -> u64 {
        let open_spans = self.kernel.unregister(pid, reference);
        self.correlator.remove(reference);
        lock(&self.slots).give_back(reference);
        open_spans
    }

    fn attach(
        &self,
        process: &Process,
        binary: &BinaryInfo,
        reference: TargetRef,
        bias: u64,
    ) -> Result<(Attachment, Vec<UnresolvedReport>), AdoptError> {
        let offsets = in_process(&binary.offsets, bias);
        self.kernel.register(process.id.pid, reference, &offsets)?;
        // An exec until here would have left a registration of the old program; one from here on
        // removes it in the kernel.
        process.recheck()?;
        let mut attachment = Attachment::default();
        let mut problems = Vec::new();
        for &feature in binary
            .features
            .iter()
            .filter(|feature| self.wants(**feature))
        {
            let file = (process.file.as_fd(), file_key(&process.incarnation.binary));
            let added = attachment.add(&self.kernel, feature, file, process.id.pid, &binary.sites);
            if let Err(error) = added {
                problems.push(UnresolvedReport {
                    what: format!("feature {}", feature.name()),
                    reason: error_chain(&error),
                });
            }
        }
        Ok((attachment, problems))
    }

    fn reader(&self, process: &Arc<Process>, binary: &BinaryInfo) -> Option<Reader> {
        let facts = binary.runtime.as_ref().filter(|_| self.runtime.enabled)?;
        match Reader::new(Arc::clone(process), facts) {
            Ok(reader) => Some(reader),
            Err(error) => {
                tracing::warn!(pid = process.id.pid, %error, "the Go runtime cannot be read");
                None
            }
        }
    }

    /// Features that are attached for good; windowed ones come and go.
    fn wants(&self, feature: Feature) -> bool {
        match feature {
            Feature::Http => self.probes.http,
            Feature::Grpc => self.probes.grpc,
            Feature::Log => self.probes.logs,
            Feature::Gc => self.probes.gc,
            Feature::Goroutine | Feature::Net => false,
        }
    }

    fn resolve(&self, process: &Process) -> Result<Arc<BinaryInfo>, AdoptError> {
        let key = process.incarnation.binary;
        if let Some(known) = self.cache.get(&key) {
            return known.map_err(AdoptError::Binary);
        }
        // SAFETY: the mapping is private and read-only. The file may be truncated by its owner, which
        // kills golens with SIGBUS: running executables are protected from that by ETXTBSY.
        let mapping = unsafe { memmap2::Mmap::map(&process.file) };
        let answer = match mapping {
            Ok(bytes) => resolve::resolve(&bytes)
                .map(Arc::new)
                .map_err(|error| error.to_string()),
            Err(error) => Err(format!("cannot map it: {error}")),
        };
        let answer = answer.map_err(Arc::from);
        self.cache.put(key, answer.clone());
        answer.map_err(AdoptError::Binary)
    }
}

/// The same offsets with the addresses of a process that is loaded `bias` bytes higher.
fn in_process(offsets: &Offsets, bias: u64) -> Offsets {
    let moved = |address: u64| {
        if address == 0 {
            0
        } else {
            address.wrapping_add(bias)
        }
    };
    Offsets {
        work_address: moved(offsets.work_address),
        types_address: moved(offsets.types_address),
        ..*offsets
    }
}

fn program(binary: &BinaryInfo) -> GoProgram {
    GoProgram {
        version: binary.go_version.clone(),
        main_version: binary.module_version.clone(),
    }
}

pub(super) fn file_key(binary: &BinaryKey) -> FileKey {
    FileKey {
        device: binary.device,
        inode: binary.inode,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
