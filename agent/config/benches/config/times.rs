//! Times, and what is said of them.

use std::time::Duration;

use serde_json::{Value, json};

/// Times of one case.
#[derive(Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// The case as a line of JSON: times in ms, and whether their p99 keeps below `goal_ms`.
    pub(crate) fn case(mut self, case: &str, goal_ms: f64) -> Value {
        self.0.sort_unstable();
        let quantile = |share: f64| {
            let rank = (share * self.0.len() as f64).ceil() as usize;
            let time = self.0.get(rank.saturating_sub(1)).copied();
            time.unwrap_or_default().as_secs_f64() * 1e3
        };
        json!({
            "case": case,
            "samples": self.0.len(),
            "p50_ms": quantile(0.5),
            "p99_ms": quantile(0.99),
            "max_ms": quantile(1.0),
            "goal_p99_ms": goal_ms,
            "met": quantile(0.99) < goal_ms,
        })
    }
}
