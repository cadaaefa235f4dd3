//! What the API, `golens ps` and the demo show of a process.

use serde::{Deserialize, Serialize};

/// State of one process golens has looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetState {
    /// Found, not attached yet.
    Resolving,
    /// Every enabled feature that the program uses is attached.
    Attached,
    /// Some features are off; `unresolved` says why.
    Partial,
    /// Not instrumented; `reason` says why.
    Refused,
}

/// One process, as golens sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetReport {
    /// Process id.
    pub pid: u32,
    /// `service.name`, empty when the process was refused.
    pub service: String,
    /// Path of the executable as the process sees it.
    pub executable: String,
    /// State.
    pub state: TargetState,
    /// Why it is refused or partial.
    pub reason: Option<String>,
    /// `go1.26.8`, empty when it is no Go program.
    pub go_version: String,
    /// GNU or Go build id.
    pub build_id: String,
    /// Where function addresses come from: `symtab` or `pclntab`.
    pub symbol_source: String,
    /// Where struct layouts come from: `dwarf4`, `dwarf5`, `type descriptors` or `none`.
    pub layout_source: String,
    /// Attached probes.
    pub probes: Vec<ProbeReport>,
    /// The last window of each probe that comes and goes.
    #[serde(default)]
    pub windows: Vec<WindowReport>,
    /// What could not be resolved.
    pub unresolved: Vec<UnresolvedReport>,
}

impl TargetReport {
    /// A process of which nothing is known but its id and state.
    #[must_use]
    pub fn bare(pid: u32, state: TargetState) -> Self {
        Self {
            pid,
            service: String::new(),
            executable: String::new(),
            state,
            reason: None,
            go_version: String::new(),
            build_id: String::new(),
            symbol_source: String::new(),
            layout_source: String::new(),
            probes: Vec::new(),
            windows: Vec::new(),
            unresolved: Vec::new(),
        }
    }
}

/// One attached probe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeReport {
    /// Subject: `http`, `grpc`, `gc`, `log`, `goroutine`, `net`.
    pub feature: String,
    /// Go function.
    pub function: String,
    /// Virtual address of the probed instruction in the file.
    pub address: u64,
    /// The probed instruction, such as `push %rbp`.
    pub instruction: String,
    /// Hits counted in the kernel since attach.
    pub hits: u64,
}

/// One window in which a hot probe was attached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowReport {
    /// Subject: `goroutine`, `net`.
    pub feature: String,
    /// How long it was open.
    pub seconds: f64,
    /// Hits in it.
    pub hits: u64,
    /// The probe had used up its hits and left before its time; it comes back with the next window.
    pub over_budget: bool,
}

impl WindowReport {
    /// Why the probe is not there now, when that is not just between two windows.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        self.over_budget.then(|| {
            format!(
                "{} probes left after {:.2} s and {} hits, over their budget, until the next window",
                self.feature, self.seconds, self.hits
            )
        })
    }
}

/// A fact that is missing, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnresolvedReport {
    /// Function, field or variable.
    pub what: String,
    /// Why.
    pub reason: String,
}
