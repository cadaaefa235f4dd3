//! What a program said of itself before and after it stood still.

use std::collections::BTreeMap;

use serde_json::Value;

/// Both notes, by the names of runtime/metrics, `MemStats.` and `runtime.`.
pub(in super::super) struct Truth {
    before: BTreeMap<String, Value>,
    after: BTreeMap<String, Value>,
    /// Threads that the kernel counted in between.
    pub(super) kernel_threads: u64,
}

/// How a value compares to the two that the program noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Agreement {
    /// Both notes are the same, and so is the value.
    Equal,
    /// The notes differ, and the value is one of them or lies between them.
    Between,
    /// It does neither.
    Wrong,
    /// The release does not offer it.
    NotOffered,
}

impl Truth {
    pub(super) fn parse(line: &str, kernel_threads: u64) -> Self {
        let both: [BTreeMap<String, Value>; 2] = serde_json::from_str(line).expect("two notes");
        let [before, after] = both;
        Self {
            before,
            after,
            kernel_threads,
        }
    }

    pub(super) fn offers(&self, name: &str) -> bool {
        self.before.contains_key(name)
    }

    /// Names of runtime/metrics that the release offers.
    pub(super) fn metrics(&self) -> impl Iterator<Item = &str> {
        let names = self.before.keys().map(String::as_str);
        names.filter(|name| name.starts_with('/'))
    }

    /// Compares a sum, whose parts were rounded on their way to seconds: equal to the ns.
    pub(super) fn compare_rounded(&self, name: &str, value: f64) -> Agreement {
        let round = |number: f64| (number * 1e9).round();
        let number = |notes: &BTreeMap<String, Value>| Some(round(float(notes.get(name)?)));
        let (Some(before), Some(after)) = (number(&self.before), number(&self.after)) else {
            return Agreement::NotOffered;
        };
        agreement(before, after, round(value))
    }

    /// Compares a number; both sides in the same unit.
    pub(super) fn compare(&self, name: &str, value: f64) -> Agreement {
        let number = |notes: &BTreeMap<String, Value>| Some(float(notes.get(name)?));
        let (Some(before), Some(after)) = (number(&self.before), number(&self.after)) else {
            return Agreement::NotOffered;
        };
        agreement(before, after, value)
    }

    /// Compares the counts of a histogram, bucket by bucket.
    pub(super) fn compare_counts(&self, name: &str, counts: &[u64]) -> Agreement {
        let numbers = |notes: &BTreeMap<String, Value>| -> Option<Vec<f64>> {
            Some(notes.get(name)?.as_array()?.iter().map(float).collect())
        };
        let (Some(before), Some(after)) = (numbers(&self.before), numbers(&self.after)) else {
            return Agreement::NotOffered;
        };
        if before.len() != counts.len() {
            return Agreement::Wrong;
        }
        let mut worst = Agreement::Equal;
        for ((before, after), count) in before.iter().zip(&after).zip(counts) {
            match agreement(*before, *after, *count as f64) {
                Agreement::Wrong => return Agreement::Wrong,
                Agreement::Between => worst = Agreement::Between,
                Agreement::Equal | Agreement::NotOffered => {}
            }
        }
        worst
    }

    /// Both notes of a value, to show them.
    pub(super) fn shown(&self, name: &str) -> String {
        let show = |notes: &BTreeMap<String, Value>| match notes.get(name) {
            Some(Value::Array(list)) => format!("{} counts", list.len()),
            Some(value) => value.to_string(),
            None => "nothing".to_owned(),
        };
        format!("{} and {}", show(&self.before), show(&self.after))
    }

    pub(in super::super) fn number(&self, name: &str) -> Option<f64> {
        self.before.get(name).map(float)
    }
}

#[expect(clippy::float_cmp, reason = "the same computation on both sides")]
fn agreement(before: f64, after: f64, value: f64) -> Agreement {
    if before == after && value == before {
        Agreement::Equal
    } else if before.min(after) <= value && value <= before.max(after) {
        Agreement::Between
    } else {
        Agreement::Wrong
    }
}

/// A number, in text where it has a fraction; one beyond 2^53 is rounded, the same way on both sides.
fn float(value: &Value) -> f64 {
    if let Some(text) = value.as_str() {
        return text.parse().expect("a number");
    }
    value
        .as_u64()
        .map(|number| number as f64)
        .or_else(|| value.as_f64())
        .expect("a number")
}
