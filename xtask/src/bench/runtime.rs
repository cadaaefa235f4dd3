//! The results of reading Go runtimes, for people.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::machine::Machine;

/// What one case of the benchmark printed.
#[derive(Serialize, Deserialize)]
pub(super) struct Case {
    case: String,
    runs: u32,
    median: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    least: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    most: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    calls_per_reading: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    microseconds_per_reading: Option<f64>,
    goal: f64,
    met: bool,
}

/// All figures as a table.
pub(super) fn markdown(machine: &Machine, cases: &[Case]) -> String {
    let mut text = format!(
        "# What reading Go runtimes costs\n\n\
         Written by `cargo xtask bench runtime` on {}, commit {}.\n\
         Machine: {} ({} processors), {} GiB, Linux {}; {}, {}. Load before: {}.\n\n\
         Throughput is a ratio within pairs of runs that take turns; processor time is that of the reading \
         thread, from the system call to the stored reading.\n\n\
         | case | runs | median | least | most | goal | |\n\
         |---|---|---|---|---|---|---|\n",
        machine.date,
        machine.commit,
        machine.processor,
        machine.processors,
        machine.memory_gib,
        machine.kernel,
        machine.rustc,
        machine.go,
        machine.load,
    );
    let shown =
        |number: Option<f64>| number.map_or("-".to_owned(), |number| format!("{number:.4}"));
    for case in cases {
        writeln!(
            text,
            "| {} | {} | {:.4} | {} | {} | {} | {} |",
            case.case,
            case.runs,
            case.median,
            shown(case.least),
            shown(case.most),
            case.goal,
            if case.met { "met" } else { "MISSED" },
        )
        .unwrap_or_default();
        if let (Some(calls), Some(time)) = (case.calls_per_reading, case.microseconds_per_reading) {
            writeln!(
                text,
                "| of which one reading: {calls:.3} system calls for memory, {time:.1} us | | | | | | |"
            )
            .unwrap_or_default();
        }
    }
    text
}
