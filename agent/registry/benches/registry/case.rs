//! What is printed: one line of JSON for each case.

use serde::Serialize;

use crate::load::Outcome;

/// What came out of one case.
#[derive(Serialize)]
pub(crate) struct Case {
    case: String,
    /// Who answered.
    server: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    load: Option<Figures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    goal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    met: Option<bool>,
}

/// Times in ms.
#[derive(Serialize)]
pub(crate) struct Figures {
    connections: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    offered_per_s: Option<f64>,
    answered_per_s: f64,
    good: f64,
    mean_ms: f64,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    /// Processor time of the server for each answer, us.
    server_us: f64,
}

impl Case {
    /// A case of load. `cpu_s` is the server's processor time.
    pub(crate) fn load(
        case: impl Into<String>,
        server: &'static str,
        connections: usize,
        offered: Option<f64>,
        outcome: &Outcome,
        cpu_s: f64,
    ) -> Self {
        Self {
            case: case.into(),
            server,
            load: Some(Figures {
                connections,
                offered_per_s: offered,
                answered_per_s: outcome.rate(),
                good: outcome.share(),
                mean_ms: outcome.mean_ms(),
                p50_ms: outcome.quantile_ms(0.5),
                p99_ms: outcome.quantile_ms(0.99),
                max_ms: outcome.quantile_ms(1.0),
                server_us: cpu_s * 1e6 / outcome.good.max(1) as f64,
            }),
            value: None,
            unit: None,
            goal: None,
            met: None,
        }
    }

    /// A case of one number.
    pub(crate) fn value(
        case: impl Into<String>,
        server: &'static str,
        value: f64,
        unit: &'static str,
    ) -> Self {
        Self {
            case: case.into(),
            server,
            load: None,
            value: Some(value),
            unit: Some(unit),
            goal: None,
            met: None,
        }
    }

    /// The same case with a goal.
    pub(crate) fn with_goal(self, goal: impl Into<String>, met: bool) -> Self {
        Self {
            goal: Some(goal.into()),
            met: Some(met),
            ..self
        }
    }
}
