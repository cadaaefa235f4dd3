//! What the registry does behind real sockets, beside etcd and beside servers that do nothing.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::machine::Machine;

/// What the benchmark printed of one case: figures of a load, or one value.
#[derive(Serialize, Deserialize)]
pub(super) struct Case {
    case: String,
    server: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    load: Option<Load>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    goal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    met: Option<bool>,
}

#[derive(Serialize, Deserialize)]
struct Load {
    connections: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    offered_per_s: Option<f64>,
    answered_per_s: f64,
    good: f64,
    mean_ms: f64,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    server_us: f64,
}

impl Case {
    fn verdict(&self) -> &'static str {
        match self.met {
            None => "",
            Some(true) => "met",
            Some(false) => "MISSED",
        }
    }

    fn goal(&self) -> &str {
        self.goal.as_deref().unwrap_or_default()
    }
}

/// All figures as tables.
pub(super) fn markdown(machine: &Machine, cases: &[Case]) -> String {
    let mut text = format!(
        "# What the registry does\n\n\
         {}\
         Server and generator are a process each and share the processors; the generator is one thread.\n\
         Open loop: a request is due at its time whatever became of those before, and its time of answer \
         counts from then. Closed loop: each connection asks again when it was answered.\n\
         A registration is good when it is on disk; each is a new instance with two tags, two values of \
         metadata and a TTL check. Resolves go through 3,333 services of three instances. A change counts \
         from when it is sent to when a watcher has it; 20,000 watchers are 1,000 connections of 20 streams.\n\
         etcd (Debian's package) has fsync on; its keys are put again and again, 200 to a lease.\n\
         \"bare\" rows are floors: hyper answering the same to everything, a socket, a disk, redb.\n\
         us is the server's processor time for each answer.\n\n\
         | case | server | connections | offered/s | good/s | good | mean ms | p50 ms | p99 ms | max ms | us | goal | |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
        machine.heading("registry"),
    );
    for case in cases {
        let Some(load) = &case.load else { continue };
        let offered = load.offered_per_s;
        writeln!(
            text,
            "| {} | {} | {} | {} | {:.0} | {:.5} | {:.2} | {:.2} | {:.2} | {:.2} | {:.1} | {} | {} |",
            case.case,
            case.server,
            load.connections,
            offered.map_or("-".to_owned(), |rate| format!("{rate:.0}")),
            load.answered_per_s,
            load.good,
            load.mean_ms,
            load.p50_ms,
            load.p99_ms,
            load.max_ms,
            load.server_us,
            case.goal(),
            case.verdict(),
        )
        .unwrap_or_default();
    }
    text.push_str("\n| value | server | | goal | |\n|---|---|---|---|---|\n");
    for case in cases {
        let Some(value) = case.value else { continue };
        let unit = case.unit.as_deref().unwrap_or_default();
        writeln!(
            text,
            "| {} | {} | {value:.1} {unit} | {} | {} |",
            case.case,
            case.server,
            case.goal(),
            case.verdict(),
        )
        .unwrap_or_default();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_benchmark_prints_is_read() {
        let lines = r#"{"case":"a","server":"golens","load":{"connections":1,"answered_per_s":2.0,"good":1.0,"mean_ms":1.0,"p50_ms":1.0,"p99_ms":1.0,"max_ms":1.0,"server_us":3.0},"goal":"g","met":false}
            {"case":"b","server":"etcd","value":4.0,"unit":"MiB"}"#;
        let cases = lines.lines().map(serde_json::from_str::<Case>);
        let cases: Vec<_> = cases.collect::<Result<_, _>>().unwrap();
        assert_eq!(cases[0].verdict(), "MISSED");
        assert_eq!((cases[1].goal(), cases[1].verdict()), ("", ""));
        assert_eq!(cases[1].value, Some(4.0));
    }
}
