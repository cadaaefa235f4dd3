//! Samples of a Prometheus text exposition.

use std::collections::BTreeMap;

/// All samples of one scrape.
#[derive(Debug)]
pub struct Metrics(Vec<Sample>);

/// One line of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Name of the series.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Value.
    pub value: f64,
}

impl Metrics {
    /// Reads the text format; comments and exemplars are passed over.
    ///
    /// # Panics
    /// On a line that is no sample.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let samples = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| sample(line).unwrap_or_else(|| panic!("no sample: {line}")))
            .collect();
        Self(samples)
    }

    /// Samples of a name whose labels include all of `labels`.
    #[must_use]
    pub fn find(&self, name: &str, labels: &[(&str, &str)]) -> Vec<&Sample> {
        self.0
            .iter()
            .filter(|sample| sample.name == name)
            .filter(|sample| {
                labels
                    .iter()
                    .all(|(label, value)| sample.labels.get(*label).is_some_and(|v| v == value))
            })
            .collect()
    }

    /// Their sum, as the whole number a counter is.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts in tests are far below 2^53"
    )]
    pub fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.find(name, labels)
            .iter()
            .map(|sample| sample.value)
            .sum::<f64>() as u64
    }
}

fn sample(line: &str) -> Option<Sample> {
    let name_end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at_checked(name_end)?;
    let mut labels = BTreeMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        while !rest.starts_with('}') {
            let (label, after) = rest.trim_start_matches(',').split_once("=\"")?;
            let (value, after) = quoted(after)?;
            labels.insert(label.to_owned(), value);
            rest = after;
        }
        rest = rest.strip_prefix('}')?;
    }
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample {
        name: name.to_owned(),
        labels,
        value,
    })
}

/// The text up to the closing quote, unescaped, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_summed_over_the_labels_not_asked_for() {
        let metrics = Metrics::parse(
            "# HELP a_count Requests.\n\
             a_count{route=\"/x\",code=\"200\"} 3\n\
             a_count{route=\"/x\",code=\"500\",odd=\"a\\\"b},{\"} 4 # {trace_id=\"1\"} 0.5 1\n\
             a_count{route=\"/y\"} 5\n\
             plain 1.5e1 1700000000\n\
             # EOF\n",
        );
        assert_eq!(metrics.count("a_count", &[("route", "/x")]), 7);
        assert_eq!(metrics.count("a_count", &[]), 12);
        assert_eq!(metrics.count("plain", &[]), 15);
        assert_eq!(
            metrics.find("a_count", &[("code", "500")])[0].labels["odd"],
            "a\"b},{"
        );
    }
}
