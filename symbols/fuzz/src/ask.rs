//! Asks a file everything, and checks what must hold for every answer.

use std::collections::BTreeSet;

use symbols::{Function, FunctionSource, GoBinary, Layouts, Spent, Unresolved};

/// Functions asked for their site; a real answer for each is what the seeds are for.
const MOST_FUNCTIONS: usize = 32;
/// Functions whose calls are looked for in each of these.
const MOST_CALLEES: usize = 4;
const RESULTS: usize = 3;
/// Structs that the seeds define, and one that they do not.
const STRUCTS: [&str; 8] = [
    "runtime.g",
    "runtime.m",
    "runtime.mstats",
    "os.File",
    "os.file",
    "internal/abi.Type",
    "sync.Mutex",
    "main.absent",
];
const FIELDS: [&str; 8] = [
    "goid",
    "sched.pc",
    "numgc",
    "file",
    "pfd.Sysfd",
    "Hash",
    "mu.state",
    "_",
];
/// Steps of work that all questions together may take: there are a few hundred of them, and some look at
/// the whole file.
const MOST_STEPS: u64 = 1_000_000;
const STEPS_PER_BYTE: u64 = 1024;

/// What was answered: each question with `ok` or the kind of its error.
pub type Seen = BTreeSet<(&'static str, &'static str)>;

/// Asks everything; answers which kinds of answers there were.
///
/// # Panics
/// When an answer contradicts the file or another answer.
pub fn ask(file: &[u8]) -> Seen {
    let mut seen = Seen::new();
    let binary = match GoBinary::parse(file) {
        Ok(binary) => binary,
        Err(error) => {
            seen.insert(("parse", error.error_type()));
            return seen;
        }
    };
    seen.insert(("parse", "ok"));
    files(&binary, &mut seen);
    functions(&binary, file, &mut seen);
    layouts(&binary.layouts(&STRUCTS), &mut seen);
    if binary.sources().functions == FunctionSource::Symtab {
        note(&mut seen, "variable", binary.variable("runtime.text"));
    }
    note(&mut seen, "types_address", binary.types_address());
    work(binary.spent(), file.len() as u64);
    seen
}

/// Checks that work grows no faster than the file: the number of questions has a bound.
fn work(spent: Spent, length: u64) {
    let most = MOST_STEPS + STEPS_PER_BYTE * length;
    assert!(spent.steps < most, "{spent:?} for {length} bytes");
}

/// Notes the kind of an answer and hands on what was found.
fn note<T>(seen: &mut Seen, question: &'static str, answer: Result<T, Unresolved>) -> Option<T> {
    let kind = answer
        .as_ref()
        .map_or_else(Unresolved::error_type, |_| "ok");
    seen.insert((question, kind));
    answer.ok()
}

fn files(binary: &GoBinary<'_>, seen: &mut Seen) {
    let info = binary.build_info();
    for (question, known) in [
        ("build_id", !binary.build_id().is_empty()),
        ("modules", info.main.is_some() || !info.deps.is_empty()),
        ("settings", !info.settings.is_empty()),
    ] {
        seen.insert((question, if known { "ok" } else { "none" }));
    }
    assert!(binary.go_version().at_least(17), "{}", binary.go_version());
    std::hint::black_box((binary.sources(), binary.map_kind()));
}

fn functions(binary: &GoBinary<'_>, file: &[u8], seen: &mut Seen) {
    note(seen, "function", binary.function("main.absent"));
    let functions = note(seen, "functions", binary.functions_where(|_| true)).unwrap_or_default();
    if functions.len() > 1 {
        // Reads the table of signatures, which costs more than all other questions to a small file.
        note(seen, "variable", binary.variable("runtime.memstats"));
    }
    for listed in functions.iter().take(MOST_FUNCTIONS) {
        if let Some(function) = note(seen, "function", binary.function(&listed.name)) {
            assert_eq!(function.name, listed.name, "another function was found");
            site(binary, file, &function, seen);
            code(binary, &function, &functions, seen);
        }
        let covering = binary.function_at(listed.address);
        seen.insert((
            "function_at",
            if covering.is_some() { "ok" } else { "none" },
        ));
        if let Some(covering) = covering {
            assert!(covers(&covering, listed.address), "{covering:?}");
        }
        lines(binary, listed, seen);
    }
}

fn covers(function: &Function, address: u64) -> bool {
    let distance = address.checked_sub(function.address);
    distance.is_some_and(|distance| distance < function.size)
}

/// Asks for returns, and for what lies behind the calls of the first few functions.
fn code(binary: &GoBinary<'_>, caller: &Function, callees: &[Function], seen: &mut Seen) {
    if let Some(returns) = note(seen, "returns", binary.returns(caller)) {
        assert!(returns.is_sorted(), "{returns:x?}");
        for address in returns {
            assert!(covers(caller, address), "{address:#x} {caller:?}");
        }
    }
    for callee in callees.iter().take(MOST_CALLEES) {
        let found = note(
            seen,
            "after_calls",
            binary.after_calls(caller, callee, RESULTS),
        );
        for after in found.iter().flatten() {
            assert!(covers(caller, after.call), "{after:?} {caller:?}");
            assert!(after.call < after.site.address, "{after:?}");
            assert!(covers(caller, after.site.address), "{after:?} {caller:?}");
            assert_eq!(after.results.len(), RESULTS);
        }
    }
}

/// Asks for the source lines of a function's first instructions, and for its inlined copies.
fn lines(binary: &GoBinary<'_>, function: &Function, seen: &mut Seen) {
    for step in [0, 8, 40, 200] {
        let pc = function.address.saturating_add(step);
        for (depth, frame) in note(seen, "frames_at", binary.frames_at(pc))
            .iter()
            .flatten()
            .enumerate()
        {
            seen.insert((
                "frame",
                if frame.inlined {
                    "inlined"
                } else {
                    "outermost"
                },
            ));
            assert!(depth < 4096, "{frame:?}");
        }
    }
    note(
        seen,
        "inlined_copies",
        binary.inlined_copies(&function.name),
    );
    note(seen, "inlined_into", binary.inlined_into(&function.name));
}

fn site(binary: &GoBinary<'_>, file: &[u8], function: &Function, seen: &mut Seen) {
    let Some(site) = note(seen, "probe_site", binary.probe_site(function)) else {
        return;
    };
    let distance = site.address.checked_sub(function.address);
    assert!(
        distance.is_some_and(|distance| distance < function.size),
        "{site:?} {function:?}"
    );
    assert_eq!(binary.file_offset(site.address), Some(site.file_offset));
    assert!(site.file_offset < file.len() as u64, "{site:?}");
}

fn layouts(layouts: &Layouts, seen: &mut Seen) {
    for structure in STRUCTS {
        note(seen, "size", layouts.size(structure));
        for field in FIELDS {
            note(seen, "field", layouts.field(structure, field));
        }
    }
}
