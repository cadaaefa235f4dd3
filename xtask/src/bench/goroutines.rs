//! What goroutine profiles cost, by the size of the target.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::machine::Machine;

/// Goroutines of the goal, and the processor time that one profile of them may take.
const GOAL: (u64, f64) = (100_000, 100.0);

/// What the benchmark printed of one size.
#[derive(Serialize, Deserialize)]
pub(super) struct Size {
    goroutines: u64,
    groups: u64,
    first_cpu_ms: f64,
    median_cpu_ms: f64,
    p95_cpu_ms: f64,
    median_ms: f64,
    memory_kib: u64,
    runs: u64,
}

impl Size {
    fn verdict(&self) -> &'static str {
        let (goroutines, cpu_ms) = GOAL;
        match (self.goroutines >= goroutines, self.p95_cpu_ms < cpu_ms) {
            (false, _) => "",
            (true, true) => "met",
            (true, false) => "MISSED",
        }
    }
}

/// All figures as a table.
pub(super) fn markdown(machine: &Machine, sizes: &[Size]) -> String {
    let runs = sizes.first().map_or(0, |size| size.runs);
    let mut text = format!(
        "# What a goroutine profile costs\n\n\
         {}\
         The target is a stripped program whose goroutines wait in some twenty ways; it is not stopped.\n\
         A profile reads all of them, unwinds a stack of each group where it changed, and names functions and \
         lines; the first one reads all stacks. {runs} later profiles per size.\n\
         CPU is the processor time of the agent, system calls included; the child that names lines is not counted.\n\
         Memory is what the agent's anonymous memory grew by, names included.\n\
         Goal: {} goroutines in less than {} ms of processor time.\n\n\
         | goroutines | groups | first CPU ms | median CPU ms | p95 CPU ms | median ms | memory KiB | goal |\n\
         |---|---|---|---|---|---|---|---|\n",
        machine.heading("goroutines"),
        GOAL.0,
        GOAL.1,
    );
    for size in sizes {
        writeln!(
            text,
            "| {} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {} | {} |",
            size.goroutines,
            size.groups,
            size.first_cpu_ms,
            size.median_cpu_ms,
            size.p95_cpu_ms,
            size.median_ms,
            size.memory_kib,
            size.verdict(),
        )
        .unwrap_or_default();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_goal_is_for_its_size() {
        let verdict = |goroutines, p95_cpu_ms| {
            Size {
                goroutines,
                groups: 1,
                first_cpu_ms: 1.0,
                median_cpu_ms: 1.0,
                p95_cpu_ms,
                median_ms: 1.0,
                memory_kib: 1,
                runs: 1,
            }
            .verdict()
        };
        assert_eq!(verdict(10, 500.0), "");
        assert_eq!(verdict(100_170, 99.0), "met");
        assert_eq!(verdict(100_170, 101.0), "MISSED");
    }
}
