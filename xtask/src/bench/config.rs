//! How fast changes of configuration arrive.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::machine::Machine;

/// What the benchmark printed of one case.
#[derive(Serialize, Deserialize)]
pub(super) struct Case {
    case: String,
    samples: u64,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    goal_p99_ms: f64,
    met: bool,
}

/// All figures as a table.
pub(super) fn markdown(machine: &Machine, cases: &[Case]) -> String {
    let mut text = format!(
        "# How fast changes of configuration arrive\n\n\
         {}\
         golens' side and the other side are a process each and share the processors; both write to a real disk.\n\
         A change of a file has the 100 ms in it that sources must be quiet for, a schema, and the commit to disk.\n\
         A release counts from the order to publish, with its commit to disk, until a client has its answer; \
         each of 1,000 clients is a connection that polls again once it was answered.\n\n\
         | case | samples | p50 ms | p99 ms | max ms | goal for p99 | |\n\
         |---|---|---|---|---|---|---|\n",
        machine.heading("config"),
    );
    for case in cases {
        let verdict = if case.met { "met" } else { "MISSED" };
        writeln!(
            text,
            "| {} | {} | {:.1} | {:.1} | {:.1} | {:.0} ms | {verdict} |",
            case.case, case.samples, case.p50_ms, case.p99_ms, case.max_ms, case.goal_p99_ms,
        )
        .unwrap_or_default();
    }
    text
}
