//! Every input of the fuzz targets' corpus again, on stable: bounded memory, bounded work, and answers.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot read its own corpus must stop"
)]

#[path = "../fuzz/src/lib.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "a library of its own, which the targets and the seeds use in full"
)]
mod fuzz;
#[path = "common/memory.rs"]
mod memory;

use std::fs;
use std::path::{Path, PathBuf};

use fuzz::targets::{TARGETS, Target};
use fuzz::{Seen, ask};

/// What one input may hold at its worst moment; the largest has 32 KiB.
const MOST_MEMORY: usize = 8 << 20;
/// What is committed must stay small.
const MOST_CORPUS: u64 = 2 << 20;

/// The inputs of a target in `corpus` or `regressions`.
fn inputs(directory: &str, target: &str) -> Vec<PathBuf> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let directory = fuzz.join(directory).join(target);
    if !directory.is_dir() {
        return Vec::new();
    }
    let entries = fs::read_dir(directory).unwrap();
    let mut inputs: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    inputs
}

/// Runs all inputs of a target, and the findings of old; every `wanted` answer must be among what they yield.
fn replay(name: &str, wanted: &[(&'static str, &'static str)]) {
    let target: &Target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let mut seen = Seen::new();
    let mut paths = inputs("corpus", name);
    paths.extend(inputs("regressions", name));
    for path in paths {
        let input = fs::read(&path).unwrap();
        let file = (target.file)(&input);
        let (answers, cost) = memory::peak(|| ask(&file));
        assert!(cost < MOST_MEMORY, "{}: {cost} bytes", path.display());
        seen.extend(answers);
    }
    for answer in wanted {
        assert!(
            seen.contains(answer),
            "no input leads to {answer:?}: {seen:#?}"
        );
    }
}

#[test]
fn headers_and_symbols() {
    let answers = [("parse", "ok"), ("variable", "ok"), ("build_id", "ok")];
    replay("elf", &answers);
}

#[test]
fn build_information() {
    let answers = [
        ("parse", "not_go"),
        ("parse", "unknown_version"),
        ("parse", "too_old"),
        ("modules", "ok"),
        ("settings", "ok"),
    ];
    replay("buildinfo", &answers);
}

#[test]
fn function_tables() {
    let answers = [
        ("function", "ok"),
        ("function", "assembly"),
        ("function_at", "ok"),
        ("probe_site", "ok"),
        ("returns", "ok"),
        ("frames_at", "ok"),
        ("frame", "inlined"),
        ("inlined_copies", "ok"),
    ];
    replay("pclntab", &answers);
}

#[test]
fn debugging_information() {
    let answers = [
        ("size", "ok"),
        ("size", "malformed"),
        ("field", "ok"),
        ("field", "not_a_struct"),
    ];
    replay("dwarf", &answers);
}

#[test]
fn type_descriptors() {
    let answers = [
        ("types_address", "ok"),
        ("size", "ok"),
        ("size", "no_descriptor"),
        ("field", "ok"),
    ];
    replay("types", &answers);
}

#[test]
fn code() {
    let answers = [
        ("probe_site", "ok"),
        ("probe_site", "arguments_changed"),
        ("probe_site", "no_cheap_instruction"),
        ("probe_site", "undecodable"),
        ("returns", "ok"),
        ("after_calls", "ok"),
        ("after_calls", "no_call"),
    ];
    replay("prologue", &answers);
}

#[test]
fn the_corpus_is_small_and_complete() {
    let mut bytes = 0;
    for target in TARGETS {
        let inputs = inputs("corpus", target.name);
        assert!(
            inputs.len() >= 9,
            "{} has {} inputs",
            target.name,
            inputs.len()
        );
        bytes += inputs
            .iter()
            .map(|input| fs::metadata(input).unwrap().len())
            .sum::<u64>();
    }
    assert!(bytes < MOST_CORPUS, "{bytes} bytes");
}
