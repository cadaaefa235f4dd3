//! A candidate becomes a target: opened, resolved, identified, registered, attached.

use std::{
    os::fd::AsFd,
    sync::{Arc, Mutex, PoisonError},
};

use agent_ebpf::{offsets::Offsets, target::TargetRef};

use super::{
    NodeSink,
    profiles::Goroutines,
    readers::{self, Readable},
    target::Target,
};
use crate::{
    config::{self, Live},
    correlate::{Correlator, Identity},
    discovery::{BinaryKey, Candidate, Opener, Process, RefusedReason, UnresolvedReport},
    doctor::error_chain,
    identity::{self, GoProgram, Node, ProcessFacts, Resource},
    probe::{Attachment, Feature, FileKey, Kernel, ProbeError, Slots},
    recent::Recent,
    resolve::{BinaryInfo, ResolveError, Resolver},
    runtime::{Reader, profile::Room},
};

/// What adoption needs; shared by all that run at the same time.
pub(super) struct Adopter {
    pub(super) node: Node,
    pub(super) kernel: Arc<Kernel>,
    pub(super) correlator: Arc<Correlator<NodeSink>>,
    pub(super) recent: Arc<Recent>,
    pub(super) live: Live,
    /// For what profiles remember of goroutines.
    pub(super) room: Room,
    pub(super) opener: Mutex<Opener>,
    pub(super) resolver: Arc<Resolver>,
    pub(super) slots: Mutex<Slots>,
}

/// Why a process did not become a target.
#[derive(Debug, thiserror::Error)]
pub(super) enum AdoptError {
    #[error(transparent)]
    Refused(#[from] RefusedReason),
    #[error("its executable cannot be used: {0}")]
    Binary(Arc<ResolveError>),
    #[error(transparent)]
    Probe(#[from] ProbeError),
    #[error("golens ends")]
    Ending,
    #[error("golens failed while it looked at the program; its log has the details")]
    Panicked,
}

impl AdoptError {
    /// Whether a later try may end better.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Probe(_) | Self::Refused(RefusedReason::Failed { .. }) => true,
            Self::Binary(error) => error.is_transient(),
            Self::Refused(_) | Self::Ending | Self::Panicked => false,
        }
    }
}

impl Adopter {
    /// Takes tens of milliseconds for a new binary, a few for a known one. Blocks.
    pub(super) fn adopt(&self, candidate: &Candidate) -> Result<Target, AdoptError> {
        let process = lock(&self.opener).open(candidate)?;
        let resolved = self.resolver.resolve(&process.file);
        let binary = resolved.map_err(AdoptError::Binary)?;
        let resource = Arc::new(identity::resolve(
            &self.node,
            &ProcessFacts::read(&process),
            &program(&binary),
        ));
        let bias = process.load_base(binary.base_address())?;
        let reference = lock(&self.slots).take()?;
        // Known before the first hit can arrive.
        self.correlator.add(
            reference,
            Identity {
                resource: Arc::clone(&resource),
                writers: Arc::new(binary.writers.moved(bias)),
            },
        );
        let config = Arc::clone(&self.live.now());
        match self.attach(&process, &binary, reference, bias) {
            Ok((attachment, problems)) => {
                let process = Arc::new(process);
                let reader = self.reader(&process, &binary, &resource, &config.runtime);
                let goroutines =
                    Goroutines::of(&process, &binary, &resource, &config.runtime, &self.room);
                Ok(Target {
                    reference,
                    process,
                    resource,
                    binary,
                    attachment: Mutex::new(attachment),
                    reader,
                    goroutines,
                    bias,
                    windows: Mutex::default(),
                    sites: Mutex::default(),
                    problems,
                })
            }
            Err(error) => {
                self.release(process.id.pid, reference);
                Err(error)
            }
        }
    }

    /// Ends a target's state everywhere but in its attachment.
    pub(super) fn release(&self, pid: u32, reference: TargetRef) {
        self.kernel.unregister(pid, reference);
        self.correlator.remove(reference);
        lock(&self.slots).give_back(reference);
    }

    fn attach(
        &self,
        process: &Process,
        binary: &BinaryInfo,
        reference: TargetRef,
        bias: u64,
    ) -> Result<(Attachment, Vec<UnresolvedReport>), AdoptError> {
        let offsets = Offsets {
            generation: reference.generation,
            ..binary.offsets.moved(bias)
        };
        self.kernel
            .register(process.id.pid, reference, &offsets.without_stops())?;
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
            let added = attachment.add(
                &self.kernel,
                feature,
                file,
                (process.id.pid, reference.generation),
                &binary.sites,
            );
            match added {
                // Spans may rely on the records of stops from here on.
                Ok(()) if feature == Feature::Gc => {
                    self.correlator.stops_are_probed(reference);
                    self.kernel.set_offsets(reference, &offsets.with_stops())?;
                }
                Ok(()) => {}
                Err(error) => problems.push(UnresolvedReport {
                    what: format!("feature {}", feature.name()),
                    reason: error_chain(&error),
                }),
            }
        }
        Ok((attachment, problems))
    }

    fn reader(
        &self,
        process: &Arc<Process>,
        binary: &BinaryInfo,
        resource: &Arc<Resource>,
        settings: &config::Runtime,
    ) -> Option<Arc<Readable>> {
        let facts = binary.runtime.as_ref().filter(|_| settings.enabled)?;
        match Reader::new(Arc::clone(process), facts) {
            Ok(reader) => Some(Arc::new(Readable::new(
                Arc::clone(process),
                Arc::clone(resource),
                self.recent.gc_timeline(resource),
                reader,
                readers::interval(settings, &resource.service_name, &process.executable),
            ))),
            Err(error) => {
                tracing::warn!(pid = process.id.pid, %error, "the Go runtime cannot be read");
                None
            }
        }
    }

    /// Features that are attached for good; windowed ones come and go, others are for `golens trace`.
    fn wants(&self, feature: Feature) -> bool {
        let probes = &self.live.now().probes;
        match feature {
            Feature::Http => probes.http,
            Feature::Grpc => probes.grpc,
            Feature::Log => probes.logs,
            Feature::Gc => probes.gc,
            Feature::Goroutine | Feature::Net | Feature::Sched => false,
        }
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
