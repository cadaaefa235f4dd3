//! Queries of the Grafana dashboard, ready to be executed.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// One query of one panel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Title of the panel.
    pub panel: String,
    /// Where it goes.
    pub language: Language,
    /// With every variable filled in.
    pub expression: String,
    /// Asks for exemplars too.
    pub exemplars: bool,
}

impl Query {
    /// Whether a LogQL query asks for numbers and not for lines, which start with a selector.
    #[must_use]
    pub fn is_metric(&self) -> bool {
        !self.expression.starts_with('{')
    }
}

/// Query languages of the dashboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Prometheus.
    PromQl,
    /// Loki.
    LogQl,
}

/// What Grafana would put in place of its variables: every service, and an interval that covers a test.
const VARIABLES: [(&str, &str); 6] = [
    ("${service:regex}", ".+"),
    ("$service", ".+"),
    ("$__rate_interval", "1m"),
    ("$__interval", "15s"),
    ("$__range", "10m"),
    ("$__auto", "1m"),
];

/// Reads all queries of `dashboards/grafana/golens.json`.
///
/// # Errors
/// When the file is no dashboard, or a query uses a variable that is not known here.
pub fn queries() -> Result<Vec<Query>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dashboards/grafana/golens.json");
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    extract(&serde_json::from_str(&text)?)
}

fn extract(dashboard: &Value) -> Result<Vec<Query>> {
    let mut found = Vec::new();
    for panel in panels(dashboard) {
        let title = panel["title"].as_str().unwrap_or("without title");
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"]
                .as_str()
                .with_context(|| format!("a target of panel `{title}` has no expr"))?;
            let source = target["datasource"]["type"]
                .as_str()
                .or(panel["datasource"]["type"].as_str());
            let language = match source {
                Some("prometheus") => Language::PromQl,
                Some("loki") => Language::LogQl,
                other => bail!("panel `{title}` asks data source {other:?}"),
            };
            found.push(Query {
                panel: title.to_owned(),
                language,
                expression: fill(expression).with_context(|| format!("panel `{title}`"))?,
                exemplars: target["exemplar"].as_bool().unwrap_or(false),
            });
        }
    }
    Ok(found)
}

/// Panels, those inside collapsed rows included.
fn panels(dashboard: &Value) -> Vec<&Value> {
    let mut all = Vec::new();
    for panel in dashboard["panels"].as_array().into_iter().flatten() {
        all.push(panel);
        all.extend(panel["panels"].as_array().into_iter().flatten());
    }
    all
}

fn fill(expression: &str) -> Result<String> {
    let mut filled = expression.to_owned();
    for (variable, value) in VARIABLES {
        filled = filled.replace(variable, value);
    }
    match filled.contains('$') {
        true => bail!("unknown variable in `{filled}`"),
        false => Ok(filled),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_query_of_the_dashboard_is_understood() {
        let queries = queries().unwrap();
        assert!(queries.len() >= 8, "{queries:?}");
        assert!(queries.iter().any(|query| query.exemplars));
        assert!(
            queries
                .iter()
                .any(|query| query.language == Language::LogQl)
        );
    }

    #[test]
    fn variables_are_filled_in_and_unknown_ones_refused() {
        let dashboard = |expression: &str| {
            json!({"panels": [{"title": "row", "panels": [{
                "title": "rate",
                "datasource": {"type": "prometheus"},
                "targets": [{"expr": expression}],
            }]}]})
        };
        let found = extract(&dashboard("rate(a{s=~\"$service\"}[$__rate_interval])")).unwrap();
        assert_eq!(found[0].expression, "rate(a{s=~\".+\"}[1m])");
        assert!(extract(&dashboard("a{s=\"$cluster\"}")).is_err());
    }
}
