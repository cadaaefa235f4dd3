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
    /// Bounds of the median with 95 % probability for throughput, least and most for processor time.
    #[serde(skip_serializing_if = "Option::is_none")]
    low: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    high: Option<f64>,
    goal: f64,
    met: bool,
    /// One more line.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// All figures as a table.
pub(super) fn markdown(machine: &Machine, cases: &[Case]) -> String {
    let mut text = format!(
        "# What reading Go runtimes costs\n\n\
         {}\
         Throughput is a ratio within pairs of stretches of 200 ms that take turns, the program on one processor \
         and the reader on another; low and high bound its median with a probability of 95 %, and the goal is met \
         when low is.\n\
         Processor time is a share of one processor, system calls included; low and high are the least and the \
         most of the rounds. The thread reads and keeps the readings of targets whose memory nobody has looked at \
         for a second; the whole agent also wakes up, queues and counts.\n\n\
         | case | runs | median | low | high | goal | |\n\
         |---|---|---|---|---|---|---|\n",
        machine.heading("runtime"),
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
            shown(case.low),
            shown(case.high),
            case.goal,
            if case.met { "met" } else { "MISSED" },
        )
        .unwrap_or_default();
        if let Some(detail) = &case.detail {
            writeln!(text, "| {detail} | | | | | | |").unwrap_or_default();
        }
    }
    text
}
