//! What can go wrong between an object file and a running probe.

use std::io;

use agent_ebpf::counter::Program;

/// Why probes are not loaded or attached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// The agent was compiled without `cargo xtask build`.
    #[error("this golens was built without its eBPF object; build it with `cargo xtask build`")]
    NoObject,
    /// aya refused the object or could not create its maps.
    #[error("cannot load the eBPF object")]
    Load(#[source] Box<aya::EbpfError>),
    /// The object could not be parsed or relocated for `uprobe_multi`.
    #[error("cannot prepare the eBPF object: {step}")]
    Prepare {
        /// What was being done.
        step: &'static str,
        /// Cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A map of the object is missing or of another kind.
    #[error("map {name} of the eBPF object cannot be used")]
    Map {
        /// Its name.
        name: &'static str,
        /// Cause.
        #[source]
        source: Option<Box<aya::maps::MapError>>,
    },
    /// The verifier or the kernel refused one program.
    #[error("the kernel refused program {name}: {verifier}")]
    Program {
        /// Function in the object.
        name: &'static str,
        /// The verifier's last lines.
        verifier: String,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// A raw tracepoint could not be loaded or attached.
    #[error("cannot watch {name}")]
    Tracepoint {
        /// Function in the object.
        name: &'static str,
        /// Cause.
        #[source]
        source: Box<aya::programs::ProgramError>,
    },
    /// A link could not be made.
    #[error("cannot attach {} to process {pid}", program.name())]
    Attach {
        /// The program.
        program: Program,
        /// The target.
        pid: u32,
        /// Cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// All slots are taken.
    #[error("all {limit} target slots are in use")]
    NoSlot {
        /// How many there are.
        limit: u32,
    },
    /// The agent does not run in the root pid namespace, so process ids mean nothing to the kernel side.
    #[error(
        "golens is process {own} here and {seen} to the kernel: run it in the root pid namespace \
         (hostPID: true in Kubernetes, --pid=host in Docker)"
    )]
    PidNamespace {
        /// As the agent sees itself.
        own: u32,
        /// As the kernel sees it.
        seen: u64,
    },
}

impl ProbeError {
    /// Bounded word for metrics and logs.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::NoObject => "no_object",
            Self::Load(_) => "load",
            Self::Prepare { .. } => "prepare",
            Self::Map { .. } => "map",
            Self::Program { .. } => "program_refused",
            Self::Tracepoint { .. } => "tracepoint",
            Self::Attach { .. } => "attach",
            Self::NoSlot { .. } => "no_slot",
            Self::PidNamespace { .. } => "pid_namespace",
        }
    }
}
