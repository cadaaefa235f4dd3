//! Every value that golens reads of a runtime, against what the program says of itself.

pub(super) mod beside;
pub(super) mod load;
mod notes;
pub(super) mod rows;

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use golens::{
    config::Scope,
    discovery::{Opener, Process, Procfs, Scanner, ScopeRules, Verdict},
    runtime::{Figure, RUNTIME_STRUCTS, Reader, RuntimeFacts, RuntimeReading, memory_calls},
};
use symbols::GoBinary;
use tests::harness::{Dialogue, Target, Toolchain};

use beside::BESIDE;
use notes::Truth;
pub(super) use rows::{Cell, ROWS};

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

    /// Lets the program ask its runtime for what that tells nobody.
    pub(super) fn peeking(self) -> Self {
        // Where the linker does not forbid that, it does not know the flag either.
        let old = ["go1.19", "go1.20", "go1.21", "go1.22"];
        let name = self.toolchain.to_string();
        if name.starts_with("go1.17") || name.starts_with("go1.18") {
            // They have no function to ask.
            return self;
        }
        match old.iter().any(|old| name.starts_with(old)) {
            true => self.with(&["-tags=peek"]),
            false => self.with(&["-tags=peek", "-ldflags=-checklinkname=0"]),
        }
    }

    /// Starts the program.
    pub(super) fn start(self) -> Dialogue {
        let mut target = Target::new("runtime/values").with(self.toolchain);
        target.flags = self.flags;
        Dialogue::start(&target.stripped(self.stripped).build(), &ENVIRONMENT)
    }
}

/// How each row was checked, and each name beside the rows.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) rows: Vec<Cell>,
    pub(super) beside: Vec<Cell>,
}

/// Has a program work and stand still, reads it meanwhile, and compares.
///
/// # Panics
/// With every value that differs, and every name of runtime/metrics that nothing here knows.
pub(super) fn compare(build: Build) -> Checked {
    let mut program = build.start();
    assert_eq!(program.ask("work 40"), "done");
    let mut reader = reader(program.pid());
    assert_eq!(program.ask("still"), "still");
    // The first readings look the processors and the threads up.
    at_rest(&mut reader);
    let calls = memory_calls();
    let (reading, readings) = at_rest(&mut reader);
    assert_eq!(
        memory_calls() - calls,
        readings,
        "one system call for everything"
    );
    let truth = truth(&mut program);

    let what = format!(
        "{}{} {:?}",
        build.toolchain,
        if build.stripped { " -s -w" } else { "" },
        build.flags
    );
    assert_eq!(beside::unlisted(&truth), [""; 0], "{what}: has no row");
    let rows = ROWS.iter().map(|row| row.check(&reading, &truth));
    let beside = BESIDE.iter().map(|beside| beside.check(&reading, &truth));
    Checked {
        rows: all_right(rows, &what),
        beside: all_right(beside, &what),
    }
}

fn all_right(cells: impl Iterator<Item = Result<Cell, String>>, what: &str) -> Vec<Cell> {
    let cells: Vec<Result<Cell, String>> = cells.collect();
    let wrong: Vec<&String> = cells
        .iter()
        .filter_map(|cell| cell.as_ref().err())
        .collect();
    assert!(wrong.is_empty(), "{what}:\n{wrong:#?}");
    cells.into_iter().flatten().collect()
}

/// Ends the rest of a program, and takes what it noted before and after.
pub(super) fn truth(program: &mut Dialogue) -> Truth {
    let kernel_threads = threads_of(program.pid());
    Truth::parse(&program.ask("end"), kernel_threads)
}

/// Reads until all processors are idle: threads may still be on their way to sleep when the program
/// answers. Answers the number of readings, too.
fn at_rest(reader: &mut Reader) -> (RuntimeReading, u64) {
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut readings = 0;
    loop {
        let reading = reader.read().expect("readable");
        readings += 1;
        assert!(reading.complete, "{reading:?}");
        if reading.get(Figure::ProcessorsIdle) == reading.get(Figure::MaxProcs) {
            return (reading, readings);
        }
        assert!(Instant::now() < deadline, "{reading:?}");
        thread::yield_now();
    }
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
