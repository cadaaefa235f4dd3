//! Parts of a whole-agent test: Go programs in a cgroup of their own, load on them, and an agent
//! restricted to that cgroup.
//!
//! Everything here panics with context instead of returning errors, so that a failed test shows where
//! and why. What a run leaves behind (configuration, output) stays in the target directory when the
//! test fails and goes when it passes.

mod api;
mod build;
mod cgroup;
mod collector;
mod dialogue;
mod fixed_pid;
mod gc;
mod golens;
mod goroutines;
mod http;
mod load;
mod memory;
mod metrics;
mod network;
mod page;
mod process;
mod program;
mod registry;
mod resolver;
mod run_dir;
mod settings;
mod text;
mod trace;
mod truth;
mod wait;

pub use api::{
    ConfigRow, DocumentRow, LogRow, ProbeRow, RuntimeRow, ServiceRow, SpanRow, TargetRow, WindowRow,
};
pub use build::{Target, Toolchain};
pub use cgroup::Cgroup;
pub(crate) use cgroup::hierarchies;
pub use collector::Collector;
pub use dialogue::Dialogue;
pub use gc::{CycleRow, GcRow, Pause, Pauses, StopRow};
pub use golens::Golens;
pub use goroutines::{
    Alike, Dump, GoroutineGroup, GoroutineProfile, Kind, Place, SourceLine, go_tool_pprof,
    golens_goroutines, goroutine_profile, read_dump,
};
pub use http::{Response, get, request};
pub use load::{Load, LoadSummary, RunningLoad};
pub use memory::{files_with, found_in_memory};
pub use metrics::{Metrics, Sample};
pub use network::{Link, Network};
pub use page::Page;
pub use program::{Program, Spawn};
pub use registry::{ClusterRow, EventRow, FoundRow, InstanceRow, ListenerRow, RegistryRow};
pub use resolver::{HeldResolver, holding_resolvers};
pub use run_dir::RunDir;
pub(crate) use run_dir::target_dir;
pub use settings::Settings;
pub use text::field;
pub(crate) use text::listening;
pub use trace::Trace;
pub use truth::{HttpCountStats, MemoryStats, Spawned};
pub use wait::{wait_for, wait_until};
