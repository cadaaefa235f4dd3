//! Bodies of registrations.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::consul::duration::GoDuration;

/// Body of `/v1/agent/service/register`; also `service` in a configuration file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct ServiceDefinition {
    pub(crate) kind: Option<Value>,
    #[serde(rename = "ID")]
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) tags: Vec<String>,
    pub(crate) port: u16,
    pub(crate) ports: Vec<PortDefinition>,
    pub(crate) address: String,
    pub(crate) socket_path: String,
    pub(crate) tagged_addresses: BTreeMap<String, AddressDefinition>,
    pub(crate) enable_tag_override: bool,
    pub(crate) meta: BTreeMap<String, String>,
    pub(crate) weights: Option<WeightsDefinition>,
    pub(crate) check: Option<CheckDefinition>,
    pub(crate) checks: Vec<CheckDefinition>,
    pub(crate) proxy: Option<Value>,
    pub(crate) connect: Option<Value>,
    pub(crate) locality: Option<Value>,
    pub(crate) namespace: String,
}

/// One of several ports.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct PortDefinition {
    pub(crate) name: String,
    pub(crate) port: u16,
    #[serde(rename = "Default")]
    pub(crate) is_default: bool,
}

/// A tagged address.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct AddressDefinition {
    pub(crate) address: String,
    pub(crate) port: u16,
}

/// Shares of traffic.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct WeightsDefinition {
    pub(crate) passing: u32,
    pub(crate) warning: u32,
}

/// Body of `/v1/agent/check/register`, and each check of a service.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct CheckDefinition {
    #[serde(rename = "ID")]
    pub(crate) id: String,
    #[serde(rename = "CheckID")]
    pub(crate) check_id: String,
    pub(crate) name: String,
    pub(crate) notes: String,
    #[serde(rename = "ServiceID")]
    pub(crate) service_id: String,
    pub(crate) status: String,
    pub(crate) script: String,
    pub(crate) args: Vec<String>,
    pub(crate) script_args: Vec<String>,
    #[serde(rename = "DockerContainerID")]
    pub(crate) docker_container_id: String,
    #[serde(rename = "OSService")]
    pub(crate) os_service: String,
    pub(crate) interval: GoDuration,
    pub(crate) timeout: GoDuration,
    #[serde(rename = "TTL")]
    pub(crate) ttl: GoDuration,
    #[serde(rename = "HTTP")]
    pub(crate) http: String,
    pub(crate) header: BTreeMap<String, Vec<String>>,
    pub(crate) method: String,
    pub(crate) body: String,
    #[serde(rename = "TCP")]
    pub(crate) tcp: String,
    #[serde(rename = "TCPUseTLS")]
    pub(crate) tcp_use_tls: bool,
    #[serde(rename = "UDP")]
    pub(crate) udp: String,
    #[serde(rename = "TLSServerName")]
    pub(crate) tls_server_name: String,
    #[serde(rename = "TLSSkipVerify")]
    pub(crate) tls_skip_verify: bool,
    #[serde(rename = "GRPC")]
    pub(crate) grpc: String,
    #[serde(rename = "GRPCUseTLS")]
    pub(crate) grpc_use_tls: bool,
    #[serde(rename = "H2PING")]
    pub(crate) h2_ping: String,
    #[serde(rename = "H2PingUseTLS")]
    pub(crate) h2_ping_use_tls: Option<bool>,
    pub(crate) alias_node: String,
    pub(crate) alias_service: String,
    pub(crate) success_before_passing: u32,
    pub(crate) failures_before_warning: Option<u32>,
    pub(crate) failures_before_critical: u32,
    pub(crate) deregister_critical_service_after: GoDuration,
    pub(crate) namespace: String,
}

impl CheckDefinition {
    /// Whether it is the empty check that some clients send for "none".
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        let texts = [
            &self.id,
            &self.check_id,
            &self.name,
            &self.status,
            &self.script,
            &self.http,
            &self.tcp,
            &self.udp,
            &self.grpc,
            &self.h2_ping,
            &self.alias_node,
            &self.alias_service,
            &self.docker_container_id,
            &self.os_service,
        ];
        texts.into_iter().all(String::is_empty)
            && self.args.is_empty()
            && self.script_args.is_empty()
            && self.ttl.is_zero()
            && self.interval.is_zero()
    }
}
