//! The results, for people and for programs.

use std::fmt::Write as _;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::machine::Machine;

/// What one case of the benchmark printed.
#[derive(Serialize, Deserialize)]
pub(super) struct Case {
    /// Binary and reader: `large/symbols`.
    case: String,
    file_bytes: u64,
    runs: u32,
    median_ms: f64,
    p95_ms: f64,
    /// Memory of programs that the benchmark only starts is not known.
    peak_rss_anon_kib: Option<u64>,
    idle_rss_anon_kib: Option<u64>,
    vm_hwm_kib: Option<u64>,
    expanded_bytes: u64,
    steps: u64,
    answers: u64,
}

/// What resolving a binary may cost: median time, and anonymous memory.
struct Goal {
    binary: &'static str,
    median_ms: f64,
    rss_anon_mib: f64,
}

const SMALL: Goal = Goal {
    binary: "server",
    median_ms: 60.0,
    rss_anon_mib: 32.0,
};
const LARGE: Goal = Goal {
    binary: "large",
    median_ms: 1500.0,
    rss_anon_mib: 32.0,
};

impl Case {
    fn parts(&self) -> (&str, &str) {
        self.case.split_once('/').unwrap_or((&self.case, ""))
    }

    /// Says whether the goal was met, for the crate's own cases.
    fn verdict(&self) -> &'static str {
        let (binary, reader) = self.parts();
        let mut goals = [SMALL, LARGE].into_iter();
        match goals.find(|goal| reader == "symbols" && binary.starts_with(goal.binary)) {
            None => "",
            Some(goal) if self.median_ms < goal.median_ms && self.memory() < goal.rss_anon_mib => {
                "met"
            }
            Some(_) => "MISSED",
        }
    }

    fn memory(&self) -> f64 {
        self.peak_rss_anon_kib.map_or(f64::INFINITY, mib)
    }
}

/// All figures as one JSON document.
pub(super) fn json<C: Serialize>(machine: &Machine, cases: &[C]) -> Result<String> {
    #[derive(Serialize)]
    struct Document<'a, C> {
        machine: &'a Machine,
        cases: &'a [C],
    }
    let mut text = serde_json::to_string_pretty(&Document { machine, cases })?;
    text.push('\n');
    Ok(text)
}

/// All figures as tables.
pub(super) fn markdown(machine: &Machine, cases: &[Case]) -> String {
    let mut text = format!(
        "# What resolving one binary costs\n\n\
         {}\
         Each run is a process of its own, and the cases take turns.\n\
         Time is from the mapped file to the last answer, with everything the agent asks.\n\
         RssAnon is the most anonymous memory seen in a run of its own; VmHWM also counts pages of the mapped \
         file and of the scratch file.\n\
         Goals: {} < {} ms; {} < {} ms; RssAnon < {} MiB for both.\n\n\
         | binary | MB | read by | median ms | p95 ms | RssAnon MiB | VmHWM MiB | expanded MB | answers | goal |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
        machine.heading("symbols"),
        SMALL.binary,
        SMALL.median_ms,
        LARGE.binary,
        LARGE.median_ms,
        LARGE.rss_anon_mib,
    );
    for case in cases {
        let (binary, reader) = case.parts();
        let memory =
            |kib: Option<u64>| kib.map_or("-".to_owned(), |kib| format!("{:.1}", mib(kib)));
        writeln!(
            text,
            "| {binary} | {} | {reader} | {:.1} | {:.1} | {} | {} | {} | {} | {} |",
            case.file_bytes / 1_000_000,
            case.median_ms,
            case.p95_ms,
            memory(case.peak_rss_anon_kib),
            memory(case.vm_hwm_kib),
            case.expanded_bytes / 1_000_000,
            case.answers,
            case.verdict(),
        )
        .unwrap_or_default();
    }
    text.push_str(&ratios(cases));
    text
}

/// Compares the crate with the other readers of the same binary.
fn ratios(cases: &[Case]) -> String {
    let mut text = String::from("\nTime beside other readers of the same binary, same run:\n\n");
    for other in cases {
        let (binary, reader) = other.parts();
        let own = cases.iter().find(|own| own.parts() == (binary, "symbols"));
        let Some(own) = own.filter(|_| reader != "symbols") else {
            continue;
        };
        let ratio = own.median_ms / other.median_ms;
        writeln!(text, "- {binary}: {ratio:.2} times {}", described(reader)).unwrap_or_default();
    }
    text
}

fn described(reader: &str) -> &str {
    match reader {
        "gimli" => {
            "a walk over all entries of `.debug_info` through gimli, which holds it in memory"
        }
        "go-nm" => "`go tool nm`, which reads the symbol table only",
        other => other,
    }
}

fn mib(kib: u64) -> f64 {
    u32::try_from(kib).map_or(f64::INFINITY, f64::from) / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(name: &str, median_ms: f64, rss: Option<u64>) -> Case {
        Case {
            case: name.to_owned(),
            file_bytes: 0,
            runs: 1,
            median_ms,
            p95_ms: median_ms,
            peak_rss_anon_kib: rss,
            idle_rss_anon_kib: rss,
            vm_hwm_kib: rss,
            expanded_bytes: 0,
            steps: 0,
            answers: 0,
        }
    }

    #[test]
    fn a_goal_is_met_in_time_and_memory() {
        let verdict = |name, median, rss| case(name, median, rss).verdict();
        assert_eq!(verdict("server/symbols", 59.0, Some(1024)), "met");
        assert_eq!(
            verdict("server-stripped/symbols", 61.0, Some(1024)),
            "MISSED"
        );
        assert_eq!(verdict("large-pie/symbols", 61.0, Some(1024)), "met");
        assert_eq!(verdict("large/symbols", 61.0, Some(33 << 10)), "MISSED");
        assert_eq!(verdict("large/gimli", 9999.0, None), "");
    }

    #[test]
    fn ratios_are_of_the_same_binary() {
        let cases = [
            case("server/symbols", 10.0, None),
            case("large/symbols", 100.0, None),
            case("large/gimli", 50.0, None),
        ];
        let text = ratios(&cases);
        assert_eq!(
            text.lines().filter(|line| line.starts_with("- ")).count(),
            1
        );
        assert!(text.contains("- large: 2.00 times a walk"), "{text}");
    }
}
