//! One process with the probes of one feature, for as long as a command runs.

use std::{
    collections::HashMap,
    ops::ControlFlow,
    os::fd::AsFd as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use agent_ebpf::{
    counter::{Counter, Program},
    offsets::Offsets,
    target::TargetRef,
};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    cli::{CliError, process},
    config,
    discovery::Process,
    event::{Drain as _, Event, Waiter},
    probe::{Attachment, Feature, FileKey, Goroutines, Kernel, ProbeError, Rings, Slots},
    resolve::{BinaryInfo, Resolver},
};

/// Between two readings of the ring.
const PERIOD: Duration = Duration::from_millis(50);

/// A process under observation. Its probes are removed with this value.
pub(super) struct Session {
    process: Process,
    target: TargetRef,
    bias: u64,
    resolver: Resolver,
    rings: Rings,
    waiter: Waiter,
    stop: Arc<AtomicBool>,
    attachment: Attachment,
    kernel: Kernel,
}

impl Session {
    /// Attaches a feature to a Go process; needs a Tokio runtime, for signals.
    ///
    /// # Errors
    /// When it is no Go process, lacks what the feature needs, or the kernel refuses.
    pub(super) fn attach(pid: u32, feature: Feature) -> Result<Self, CliError> {
        Self::attach_with(pid, feature, &[])
    }

    /// Attaches a feature, and programs of others where they have a site.
    ///
    /// # Errors
    /// As [`Session::attach`].
    pub(super) fn attach_with(
        pid: u32,
        feature: Feature,
        others: &[Program],
    ) -> Result<Self, CliError> {
        let process = process::open(pid)?;
        let resolver = Resolver::default();
        let binary = resolver
            .resolve(&process.file)
            .map_err(|error| CliError::Binary {
                name: pid.to_string(),
                source: Box::new(error),
            })?;
        if !binary.features.contains(&feature) {
            return Err(CliError::TraceUnknown {
                pid,
                what: feature.name(),
                missing: missing(&binary, feature),
            });
        }
        let stop = stop_at_signals()?;
        let failed = |error: ProbeError| CliError::Probe {
            pid,
            source: Box::new(error),
        };
        let (kernel, rings) = Kernel::load(&config::Probes::default(), false).map_err(failed)?;
        let waiter =
            Waiter::new(rings.events.as_fd()).map_err(|source| CliError::Runtime { source })?;
        if let Err(error) = kernel.watch_processes() {
            tracing::warn!(%error, "exec is not reported; the process is checked before each line");
        }
        let mut session = Self {
            target: Slots::new().take().map_err(failed)?,
            bias: process
                .load_base(binary.base_address())
                .map_err(|reason| CliError::Process { pid, reason })?,
            resolver,
            process,
            rings,
            waiter,
            stop,
            attachment: Attachment::default(),
            kernel,
        };
        let programs = feature.programs().iter().chain(feature.extra_programs());
        session.probe(&binary, programs.chain(others).copied())?;
        tracing::info!(pid, "tracing {}; Ctrl-C ends it", feature.name());
        Ok(session)
    }

    fn probe(
        &mut self,
        binary: &BinaryInfo,
        programs: impl IntoIterator<Item = Program>,
    ) -> Result<(), CliError> {
        let pid = self.process.id.pid;
        let refused = |reason| CliError::Process { pid, reason };
        let failed = |error: ProbeError| CliError::Probe {
            pid,
            source: Box::new(error),
        };
        let offsets = Offsets {
            generation: self.target.generation,
            ..binary.offsets.moved(self.bias)
        };
        self.kernel
            .register(pid, self.target, &offsets)
            .map_err(failed)?;
        // An exec until here would have left a registration of the old program.
        self.process.recheck().map_err(refused)?;
        let key = FileKey {
            device: self.process.incarnation.binary.device,
            inode: self.process.incarnation.binary.inode,
        };
        let owner = (pid, self.target.generation);
        let file = (self.process.file.as_fd(), key);
        self.attachment
            .add_programs(&self.kernel, programs, file, owner, &binary.sites)
            .map_err(failed)
    }

    /// What is traced, as the kernel side knows it.
    pub(super) fn target(&self) -> TargetRef {
        self.target
    }

    /// What the kernel side counts of goroutines.
    pub(super) fn goroutines(&self) -> &Goroutines {
        self.kernel.goroutines()
    }

    /// Whether a program found its place in the binary.
    pub(super) fn has(&self, wanted: Program) -> bool {
        self.attachment
            .programs()
            .any(|(program, _)| program == wanted)
    }

    /// Hits of the probes so far.
    pub(super) fn hits(&self) -> u64 {
        self.kernel.hits(self.target).values().sum()
    }

    /// What the kernel side could not count.
    pub(super) fn lost(&self, counter: Counter) -> u64 {
        self.kernel.counters().get(&counter).copied().unwrap_or(0)
    }

    /// Whether the user has had enough.
    pub(super) fn is_interrupted(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Whether the process lives and still runs the program that was opened.
    pub(super) fn is_alive(&self) -> bool {
        self.process.recheck().is_ok()
    }

    /// Removes all probes; returns after the kernel's grace period.
    pub(super) fn detach(&mut self) {
        self.attachment = Attachment::default();
    }

    /// Names of creation sites.
    pub(super) fn site_names(&self, sites: &[u64]) -> HashMap<u64, String> {
        let file = &self.process.file;
        let sites = self.resolver.creation_sites(file, self.bias, sites);
        let named = sites.into_iter();
        named.map(|(pc, site)| (pc, site.to_string())).collect()
    }

    /// Passes each event of the process to `handle` until it breaks, the time is over, the user
    /// interrupts, or the process ends.
    ///
    /// # Errors
    /// What `handle` answers.
    pub(super) fn follow(
        &mut self,
        duration: Option<Duration>,
        mut handle: impl FnMut(&Event<'_>) -> Result<ControlFlow<()>, CliError>,
    ) -> Result<(), CliError> {
        let started = Instant::now();
        loop {
            let over = duration.is_some_and(|duration| started.elapsed() >= duration);
            // Whatever the ring holds after this was hit by the process that was opened: the kernel
            // forgets it at exec and exit.
            let ends = over || self.stop.load(Ordering::Acquire) || self.process.recheck().is_err();
            let target = self.target;
            let mut outcome = Ok(ControlFlow::Continue(()));
            self.rings.events.drain(|record| {
                if !matches!(outcome, Ok(ControlFlow::Continue(()))) {
                    return;
                }
                match Event::decode(record) {
                    Ok(event) if event.header().target == target => outcome = handle(&event),
                    Ok(_) => {}
                    Err(error) => {
                        tracing::error!(%error, "event ring holds a record that cannot be read");
                    }
                }
            });
            if outcome?.is_break() || ends {
                return Ok(());
            }
            self.waiter.wait(wait(started, duration));
        }
    }
}

/// Until the next reading, or until the time is over.
fn wait(started: Instant, duration: Option<Duration>) -> Duration {
    let left = duration.map(|duration| duration.saturating_sub(started.elapsed()));
    left.map_or(PERIOD, |left| left.min(PERIOD))
}

/// Why a feature cannot be attached to a binary.
fn missing(binary: &BinaryInfo, feature: Feature) -> Vec<String> {
    let mark = format!("(for {})", feature.name());
    let reports = binary.unresolved.iter();
    reports
        .filter(|report| report.what.ends_with(&mark))
        .map(|report| format!("{}: {}", report.what, report.reason))
        .collect()
}

/// A flag that Ctrl-C and SIGTERM set.
fn stop_at_signals() -> Result<Arc<AtomicBool>, CliError> {
    let failed = |source| CliError::Runtime { source };
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        flag.store(true, Ordering::Release);
    });
    Ok(stop)
}
