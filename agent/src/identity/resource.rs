//! The identity that all signals of a target carry.

use std::borrow::Cow;

/// An attribute value of a resource, span or log record.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(untagged)]
pub enum Value {
    /// UTF-8 text.
    Text(String),
    /// A signed integer.
    Int(i64),
    /// A number with a fraction.
    Double(f64),
    /// A flag.
    Bool(bool),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Int(i64::from(number))
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Int(number) => write!(f, "{number}"),
            Self::Double(number) => write!(f, "{number}"),
            Self::Bool(flag) => write!(f, "{flag}"),
        }
    }
}

/// Identity of one process, equal on its spans, metrics and log records.
///
/// Names are those of the OpenTelemetry semantic conventions 1.44.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Resource {
    /// `service.name`.
    pub service_name: String,
    /// `service.namespace`.
    pub service_namespace: Option<String>,
    /// `service.version`.
    pub service_version: Option<String>,
    /// `service.instance.id`; unique for each run of a process on any node.
    pub service_instance_id: String,
    /// `host.name`.
    pub host_name: String,
    /// `process.pid`.
    pub pid: u32,
    /// `process.executable.name`.
    pub executable_name: String,
    /// `process.runtime.version`, such as `go1.26.8`.
    pub runtime_version: String,
    /// `container.id`.
    pub container_id: Option<String>,
    /// Further attributes that the process states in `OTEL_RESOURCE_ATTRIBUTES`.
    pub extra: Vec<(String, String)>,
}

impl Resource {
    /// All attributes by their semantic-convention names.
    #[must_use]
    pub fn attributes(&self) -> Vec<(Cow<'_, str>, Value)> {
        let mut all: Vec<(Cow<'_, str>, Value)> = vec![
            ("service.name".into(), self.service_name.as_str().into()),
            (
                "service.instance.id".into(),
                self.service_instance_id.as_str().into(),
            ),
            ("host.name".into(), self.host_name.as_str().into()),
            ("process.pid".into(), self.pid.into()),
            (
                "process.executable.name".into(),
                self.executable_name.as_str().into(),
            ),
            ("process.runtime.name".into(), "go".into()),
            (
                "process.runtime.version".into(),
                self.runtime_version.as_str().into(),
            ),
            ("telemetry.sdk.language".into(), "go".into()),
            ("telemetry.distro.name".into(), "golens".into()),
            (
                "telemetry.distro.version".into(),
                env!("CARGO_PKG_VERSION").into(),
            ),
        ];
        let optional = [
            ("service.namespace", &self.service_namespace),
            ("service.version", &self.service_version),
            ("container.id", &self.container_id),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                all.push((name.into(), value.as_str().into()));
            }
        }
        for (name, value) in &self.extra {
            if !all.iter().any(|(known, _)| known == name) {
                all.push((name.as_str().into(), value.as_str().into()));
            }
        }
        all
    }
}
