//! Back ends. Without an address nothing is sent.

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Interval, Secret};

/// Spans over OTLP. `OTEL_EXPORTER_OTLP_*` variables fill what the file leaves out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Otlp {
    /// `http://tempo:4317` for gRPC, `http://tempo:4318` for HTTP (`/v1/traces` is added).
    pub endpoint: Option<String>,
    /// How to send.
    pub protocol: OtlpProtocol,
    /// Sent with each request.
    pub headers: BTreeMap<String, Secret>,
    /// Time one request may take.
    pub timeout: Interval,
    /// Spans waiting at most; further ones are dropped and counted.
    pub queue: usize,
}

impl Default for Otlp {
    fn default() -> Self {
        Self {
            endpoint: None,
            protocol: OtlpProtocol::default(),
            headers: BTreeMap::new(),
            timeout: Interval(Duration::from_secs(10)),
            queue: 16_384,
        }
    }
}

/// Encodings of OTLP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OtlpProtocol {
    /// gRPC, port 4317.
    #[default]
    #[serde(rename = "grpc")]
    Grpc,
    /// Protobuf over HTTP, port 4318.
    #[serde(rename = "http/protobuf")]
    HttpProtobuf,
}

/// Log lines over Loki's push API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Loki {
    /// Base address: `http://loki:3100` (`/loki/api/v1/push` is added).
    pub endpoint: Option<String>,
    /// `X-Scope-OrgID`.
    pub tenant: Option<String>,
    /// Sent with each request, such as `authorization`.
    pub headers: BTreeMap<String, Secret>,
    /// Labels added to every stream, such as `cluster`.
    pub labels: BTreeMap<String, String>,
    /// Which lines to send.
    pub mode: LogMode,
    /// Time one request may take.
    pub timeout: Interval,
    /// Lines waiting at most; further ones are dropped and counted.
    pub queue: usize,
}

impl Default for Loki {
    fn default() -> Self {
        Self {
            endpoint: None,
            tenant: None,
            headers: BTreeMap::new(),
            labels: BTreeMap::new(),
            mode: LogMode::default(),
            timeout: Interval(Duration::from_secs(10)),
            queue: 16_384,
        }
    }
}

/// Which log lines leave the node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogMode {
    /// Lines that belong to a request, so that a node with a log collector ships nothing twice.
    #[default]
    Correlated,
    /// Every line.
    All,
}
