//! Every value that golens reads of a runtime, against what the program says of itself.

mod rows;
mod truth;

use std::sync::Arc;

use golens::{
    config::Scope,
    discovery::{Opener, Process, Procfs, Scanner, ScopeRules, Verdict},
    runtime::{RUNTIME_STRUCTS, Reader, RuntimeFacts, RuntimeReading, memory_calls},
};
use symbols::GoBinary;
use tests::harness::{Dialogue, Target, Toolchain};

pub(super) use rows::{Cell, ROWS, Value};
use truth::Truth;

/// A limit, so that the goal that follows from one is computed as well.
const ENVIRONMENT: [(&str, &str); 1] = [("GOMEMLIMIT", "900MiB")];

/// A build to compare.
#[derive(Clone, Copy)]
pub(super) struct Build {
    pub(super) toolchain: Toolchain,
    pub(super) stripped: bool,
    pub(super) flags: &'static [&'static str],
}

impl Build {
    pub(super) const fn new(toolchain: Toolchain) -> Self {
        Self {
            toolchain,
            stripped: false,
            flags: &[],
        }
    }

    pub(super) const fn stripped(mut self) -> Self {
        self.stripped = true;
        self
    }

    pub(super) const fn with(mut self, flags: &'static [&'static str]) -> Self {
        self.flags = flags;
        self
    }

    /// Starts the program.
    pub(super) fn start(self) -> Dialogue {
        let mut target = Target::new("runtime/values").with(self.toolchain);
        target.flags = self.flags;
        Dialogue::start(&target.stripped(self.stripped).build(), &ENVIRONMENT)
    }
}

/// One row of the result for one build: how each value was checked.
pub(super) type Column = Vec<Cell>;

/// Has a program work and stand still, reads it meanwhile, and compares.
///
/// # Panics
/// With every value that differs.
pub(super) fn compare(build: Build) -> Column {
    let mut program = build.start();
    assert_eq!(program.ask("work 40"), "done");
    let mut reader = reader(program.pid());
    assert_eq!(program.ask("still"), "still");
    let first = reader.read().expect("readable");
    let calls = memory_calls();
    let reading = reader.read().expect("readable");
    assert_eq!(memory_calls() - calls, 1, "one system call for everything");
    let kernel_threads = threads_of(program.pid());
    let truth = Truth::parse(&program.ask("end"), kernel_threads);
    assert!(first.complete && reading.complete, "{reading:?}");

    let what = format!(
        "{}{} {:?}",
        build.toolchain,
        if build.stripped { " -s -w" } else { "" },
        build.flags
    );
    let cells: Vec<Result<Cell, String>> =
        ROWS.iter().map(|row| row.check(&reading, &truth)).collect();
    let wrong: Vec<&String> = cells
        .iter()
        .filter_map(|cell| cell.as_ref().err())
        .collect();
    assert!(wrong.is_empty(), "{what}:\n{wrong:#?}");
    cells.into_iter().flatten().collect()
}

/// A reader of a process, made as the agent makes it.
pub(super) fn reader(pid: u32) -> Reader {
    let process = Arc::new(open(pid));
    let bytes = std::fs::read(&process.executable).expect("readable");
    let binary = GoBinary::parse(&bytes).expect("Go");
    let layouts = binary.layouts(&RUNTIME_STRUCTS);
    let facts = RuntimeFacts::from_symbols(&binary, &layouts).expect("known");
    let missing: Vec<String> = facts.unresolved.iter().map(ToString::to_string).collect();
    assert_eq!(missing, [""; 0], "{}", binary.go_version());
    Reader::new(process, &facts).expect("mapped")
}

fn open(pid: u32) -> Process {
    let scope = Scope {
        pids: vec![pid],
        ..Scope::default()
    };
    let scanner = Scanner::new(Procfs::default(), ScopeRules::new(&scope));
    let Verdict::Candidate(candidate) = scanner.examine(pid) else {
        panic!("{pid} is not in scope");
    };
    Opener::new(Procfs::default())
        .open(&candidate)
        .unwrap_or_else(|reason| panic!("refused: {reason}"))
}

fn threads_of(pid: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("runs");
    tasks.count().try_into().expect("few")
}

/// Whether a reading is whole; busy programs change while they are read.
pub(super) fn is_whole(reading: &RuntimeReading) -> bool {
    reading.complete
}
