//! Names in dashboards exist in the metric catalogue.
//!
//! The catalogue's golden table is read, which a unit test of the agent keeps equal to the catalogue.

use std::collections::BTreeSet;

use anyhow::{Context, Result};

use super::Source;

const TABLE: &str = "agent/src/telemetry/golden/names.txt";

/// How our metric and label names begin.
const PREFIXES: [&str; 5] = ["http_", "rpc_", "go_", "golens_", "process_"];

pub(super) fn check(sources: &[Source]) -> Result<Vec<String>> {
    let table = sources
        .iter()
        .find(|source| source.path == TABLE)
        .with_context(|| format!("there is no {TABLE}"))?;
    let known = names(&table.text);
    let mut findings = Vec::new();
    for source in sources
        .iter()
        .filter(|source| source.path.starts_with("dashboards/"))
    {
        for unknown in unknown(&source.text, &known) {
            findings.push(format!(
                "{}: {unknown} is in no line of the catalogue",
                source.path
            ));
        }
    }
    Ok(findings)
}

/// Metric names, histogram series and labels of lines such as `otel.name prometheus_name "unit" {a,b}`.
fn names(table: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in table.lines() {
        let Some(name) = line.split(' ').nth(1) else {
            continue;
        };
        names.insert(name.to_owned());
        for series in ["bucket", "sum", "count"] {
            names.insert(format!("{name}_{series}"));
        }
        if let Some((_, labels)) = line.split_once('{') {
            names.extend(labels.trim_end_matches('}').split(',').map(str::to_owned));
        }
    }
    names
}

/// Words that look like our names and are not known.
fn unknown<'a>(text: &'a str, known: &BTreeSet<String>) -> BTreeSet<&'a str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| PREFIXES.iter().any(|prefix| word.starts_with(prefix)))
        .filter(|word| !known.contains(*word))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "go.goroutine.count go_goroutine_count \"-\" {}\n\
        http.server.request.duration http_server_request_duration_seconds \"seconds\" {http_route,error_type}\n";

    #[test]
    fn series_and_labels_of_the_table_are_known() {
        let known = names(LINES);
        let query = "sum by (http_route) (rate(http_server_request_duration_seconds_bucket{}[1m])) / go_goroutine_count";
        assert!(unknown(query, &known).is_empty());
        assert_eq!(
            unknown("rate(go_goroutines[1m]) by (http_path)", &known),
            BTreeSet::from(["go_goroutines", "http_path"])
        );
    }
}
