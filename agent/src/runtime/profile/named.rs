//! A profile with names instead of addresses.

use std::sync::Arc;

use serde::Serialize;

use super::{
    Profiler, pprof,
    profiler::{RawGroup, Snapshot},
};
use crate::{
    clock::{MonotonicNanos, UnixNanos},
    resolve::{Frames, ResolveError, Resolver},
    runtime::ReadError,
};

/// The first goroutine begins here; what begins it is the start of the program.
const FIRST: &str = "runtime.main";
/// Stands before the number of a wait reason without a name.
const UNNAMED: &str = "reason ";

/// All goroutines of one process at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct Profile {
    /// Process id.
    pub pid: u32,
    /// When it was read.
    #[serde(skip)]
    pub taken: MonotonicNanos,
    /// Goroutines of the program, as `pprof.Lookup("goroutine")` counts them.
    pub goroutines: u64,
    /// Goroutines that the runtime keeps for itself.
    pub system: u64,
    /// Entries of the runtime's list that were not looked at because of the limit; some may be over.
    pub unread: u64,
    /// Entries that were looked at, but found no room to be remembered: of these goroutines nobody knows
    /// how old they are, nor whether they run.
    pub unremembered: u64,
    /// Goroutines beyond the largest number of groups.
    pub ungrouped: u64,
    /// Largest first.
    pub groups: Vec<Group>,
}

/// Goroutines that were begun at the same place with the same function and do the same.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    /// How many.
    pub count: u64,
    /// Of these, how many were there at the reading before.
    pub known: u64,
    /// Of these, how many were parked at the reading before and have not run since.
    pub unmoved: u64,
    /// The runtime's word: `running`, `runnable`, `syscall`, `waiting`, ...
    pub state: &'static str,
    /// What they wait for, in the words of their own runtime; `reason 7` when its name is not known.
    pub wait_reason: Option<String>,
    /// Of the runtime itself.
    pub system: bool,
    /// At least so old is the oldest: time since it was first seen, or since the collector noted its wait.
    pub age_seconds: f64,
    /// At least so long has the longest wait been going on.
    pub wait_seconds: Option<f64>,
    /// The `go` statement; none for the first goroutine, and where no line is known.
    pub created_by: Option<Place>,
    /// The function they began with; none when the binary does not say.
    pub start: Option<Place>,
    /// Calls of one of them, innermost first; empty when it was running or moved on meanwhile.
    pub stack: Vec<Call>,
    /// Id of that one.
    pub sample: u64,
    /// Address of the `go` statement, which names the site where no line does.
    #[serde(skip)]
    pub creator: u64,
    /// Address of the function they began with.
    #[serde(skip)]
    pub entry: u64,
}

/// A line of source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Full name of the function.
    pub function: Arc<str>,
    /// Path as the compiler wrote it.
    pub file: Arc<str>,
    /// Line.
    pub line: u32,
}

/// A call on a stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Call {
    /// Where it is.
    #[serde(flatten)]
    pub place: Place,
    /// Its function is part of the next one's body.
    pub inlined: bool,
    /// Address as linked; the same for calls that are inlined into one another.
    #[serde(skip)]
    pub address: u64,
}

/// Why there is no profile.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// The memory of the process cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Its functions and lines cannot be named.
    #[error("the lines of its code are not known: {0}")]
    Lines(#[from] ResolveError),
}

impl ProfileError {
    /// A word from a fixed set, for metrics and log fields.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Read(error) => error.error_type(),
            Self::Lines(error) => error.error_type(),
        }
    }
}

impl Profiler {
    /// Reads all goroutines and names what they do. Blocks: lines that were not asked before take a child
    /// process some tens of milliseconds.
    ///
    /// # Errors
    /// When the process cannot be read, or its binary.
    pub fn profile(&mut self, resolver: &Resolver) -> Result<Profile, ProfileError> {
        let snapshot = self.take()?;
        let process = self.process();
        let addresses = snapshot.addresses();
        let frames = resolver.lines(&process.file, &addresses)?;
        Ok(snapshot.named(process.id.pid, frames))
    }
}

impl Profile {
    /// Whether every goroutine was looked at, grouped and remembered.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.unread == 0 && self.unremembered == 0 && self.ungrouped == 0
    }

    /// The profile in the format of `go tool pprof`, compressed.
    ///
    /// # Errors
    /// When memory takes no more, which is not expected.
    pub fn to_pprof(&self, taken: UnixNanos) -> std::io::Result<Vec<u8>> {
        pprof::encode(self, taken.0)
    }
}

impl Snapshot {
    /// Every address of the snapshot, in the order in which [`Snapshot::named`] takes their frames.
    fn addresses(&self) -> Vec<u64> {
        let groups = self.groups.iter();
        groups.flat_map(RawGroup::addresses).collect()
    }

    fn named(self, pid: u32, frames: Vec<Frames>) -> Profile {
        let mut frames = frames.into_iter();
        let groups = self.groups.into_iter();
        let groups: Vec<Group> = groups.map(|group| group.named(&mut frames)).collect();
        let count = |system| {
            let counted = groups.iter().filter(|group| group.system == system);
            counted.map(|group| group.count).sum::<u64>()
        };
        Profile {
            pid,
            taken: self.taken,
            goroutines: count(false) + self.ungrouped,
            system: count(true),
            unread: self.unread,
            unremembered: self.unremembered,
            ungrouped: self.ungrouped,
            groups,
        }
    }
}

impl RawGroup {
    fn addresses(&self) -> impl Iterator<Item = u64> {
        let sites = [self.creator.unwrap_or(0), self.start];
        sites.into_iter().chain(self.stack.iter().copied())
    }

    /// Takes as many frames as the group has addresses.
    fn named(self, frames: &mut impl Iterator<Item = Frames>) -> Group {
        let mut next = || frames.next().unwrap_or_default();
        let (creator, start) = (next(), next());
        // The line of the `go` statement is in the innermost function; a goroutine begins at an entry.
        let created_by = creator.first().map(place);
        let start = start.last().map(place);
        let mut stack = Vec::new();
        for &address in &self.stack {
            let calls = next();
            stack.extend(calls.iter().map(|frame| Call {
                place: place(frame),
                inlined: frame.inlined,
                address,
            }));
        }
        // Where every goroutine ends says nothing of this one.
        if stack
            .last()
            .is_some_and(|call| &*call.place.function == "runtime.goexit")
        {
            stack.pop();
        }
        let unnamed = |number| format!("{UNNAMED}{number}");
        let reason = self
            .reason
            .map(|(number, name)| name.unwrap_or_else(|| unnamed(number)));
        let function = start.as_ref().map(|place| &*place.function);
        Group {
            count: self.count,
            known: self.known,
            unmoved: self.unmoved,
            state: self.state,
            system: function.is_some_and(|name| is_system(name, reason.as_deref())),
            wait_reason: reason,
            age_seconds: seconds(self.age_ns),
            wait_seconds: self.wait_ns.map(seconds),
            created_by: created_by.filter(|_| self.creator.is_some() && function != Some(FIRST)),
            start,
            stack,
            sample: self.sample,
            creator: self.creator.unwrap_or(0),
            entry: self.start,
        }
    }
}

/// Whether the runtime counts a goroutine as its own, as it does in profiles and dumps.
///
/// Those that run finalizers and cleanups are the program's while they call it: then they do not wait for
/// work.
///
/// go-sym: runtime.isSystemGoroutine 1.17..=1.27 traceback.go
fn is_system(start: &str, reason: Option<&str>) -> bool {
    match start {
        FIRST | "runtime.corostart" | "runtime.handleAsyncEvent" => false,
        "runtime.runfinq" | "runtime.runFinalizers" => {
            reason.is_some_and(|it| it == "finalizer wait" || is_unnamed(it))
        }
        "runtime.runCleanups" => reason.is_some_and(|it| it == "cleanup wait" || is_unnamed(it)),
        other => other.starts_with("runtime."),
    }
}

/// Where the reasons' names are not known, they wait for work nearly always.
fn is_unnamed(reason: &str) -> bool {
    reason.starts_with(UNNAMED)
}

fn place(frame: &crate::resolve::Frame) -> Place {
    Place {
        function: Arc::clone(&frame.function),
        file: Arc::clone(&frame.file),
        line: frame.line,
    }
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtimes_own_goroutines_are_those_that_it_leaves_out() {
        for (start, reason, system) in [
            ("runtime.main", None, false),
            ("main.main.func1", None, false),
            ("runtime.bgsweep", Some("GC sweep wait"), true),
            ("runtime/trace.Start.func1", None, false),
            ("runtime.corostart", Some("coroutine"), false),
            ("runtime.runfinq", Some("finalizer wait"), true),
            ("runtime.runfinq", Some("sleep"), false),
            ("runtime.runfinq", None, false),
            ("runtime.runCleanups", Some("cleanup wait"), true),
        ] {
            assert_eq!(is_system(start, reason), system, "{start} {reason:?}");
        }
    }
}
