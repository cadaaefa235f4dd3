//! An instance of a service as the API shows it.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::{
    consul::{
        filter::{Select, Selected, meta_entry, rest_of},
        types::is_default,
    },
    model::{DEFAULT_NAMESPACE, Instance, Meta, NamedPort, ServiceAddress, Weights},
};

/// One instance, in the form that goes with its place in the API.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServiceRow<'a> {
    /// The instance.
    pub(crate) instance: &'a Instance,
    /// Which form.
    pub(crate) form: ServiceForm<'a>,
}

/// The two forms of a service.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ServiceForm<'a> {
    /// Under `/v1/agent`: with datacenter and perhaps a hash, `Proxy` and `Connect` only when registered.
    Agent {
        /// Datacenter of the node.
        datacenter: &'a str,
        /// Hash of the content, when one instance is asked for.
        hash: Option<&'a str>,
    },
    /// In health and catalogue: with indexes, `Proxy` and `Connect` always.
    Catalog,
}

impl Serialize for ServiceRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let instance = self.instance;
        let extra = |name: &str| instance.extra.get(name);
        let (datacenter, hash, in_catalog) = match self.form {
            ServiceForm::Agent { datacenter, hash } => {
                (datacenter, hash.unwrap_or_default(), false)
            }
            ServiceForm::Catalog => ("", "", true),
        };
        let config = |name: &str| {
            let given = extra(name);
            (in_catalog || given.is_some()).then_some(Config(given))
        };
        let index = |revision: crate::Revision| if in_catalog { revision.0 } else { 0 };
        Json {
            kind: extra("Kind"),
            id: &instance.key.id,
            service: &instance.service,
            tags: &instance.tags,
            meta: &instance.meta,
            port: instance.port,
            ports: instance.ports.iter().map(PortJson::from).collect(),
            address: &instance.address,
            socket_path: &instance.socket_path,
            tagged_addresses: AddressesJson(&instance.tagged_addresses),
            weights: instance.weights.into(),
            enable_tag_override: instance.enable_tag_override,
            create_index: index(instance.create_revision),
            modify_index: index(instance.modify_revision),
            content_hash: hash,
            proxy: config("Proxy"),
            connect: config("Connect"),
            peer_name: in_catalog.then_some(""),
            namespace: named(&instance.key.namespace),
            datacenter,
            locality: extra("Locality"),
        }
        .serialize(serializer)
    }
}

/// The namespace, unless it is the one that callers take for granted.
pub(super) fn named(namespace: &str) -> &str {
    if namespace == DEFAULT_NAMESPACE {
        ""
    } else {
        namespace
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Json<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'a Value>,
    #[serde(rename = "ID")]
    id: &'a str,
    service: &'a str,
    tags: &'a [String],
    meta: &'a Meta,
    port: u16,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ports: Vec<PortJson<'a>>,
    address: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    socket_path: &'a str,
    #[serde(skip_serializing_if = "AddressesJson::is_empty")]
    tagged_addresses: AddressesJson<'a>,
    weights: WeightsJson,
    enable_tag_override: bool,
    #[serde(skip_serializing_if = "is_default")]
    create_index: u64,
    #[serde(skip_serializing_if = "is_default")]
    modify_index: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    content_hash: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy: Option<Config<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connect: Option<Config<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_name: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    datacenter: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    locality: Option<&'a Value>,
}

/// What was registered for the mesh, word for word; `{}` when nothing was.
pub(super) struct Config<'a>(pub(super) Option<&'a Value>);

impl Serialize for Config<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(given) => given.serialize(serializer),
            None => serializer.collect_map::<&str, (), _>([]),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PortJson<'a> {
    name: &'a str,
    port: u16,
    default: bool,
}

impl<'a> From<&'a NamedPort> for PortJson<'a> {
    fn from(port: &'a NamedPort) -> Self {
        Self {
            name: &port.name,
            port: port.port,
            default: port.default,
        }
    }
}

/// Tagged addresses of a service.
pub(super) struct AddressesJson<'a>(pub(super) &'a BTreeMap<String, ServiceAddress>);

impl AddressesJson<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for AddressesJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Address<'a> {
            address: &'a str,
            port: u16,
        }
        serializer.collect_map(self.0.iter().map(|(name, address)| {
            let address = Address {
                address: &address.address,
                port: address.port,
            };
            (name, address)
        }))
    }
}

/// Shares of traffic.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WeightsJson {
    passing: u32,
    warning: u32,
}

impl From<Weights> for WeightsJson {
    fn from(weights: Weights) -> Self {
        Self {
            passing: weights.passing,
            warning: weights.warning,
        }
    }
}

impl<'a> Select<'a> for ServiceRow<'a> {
    fn select(&self, path: &[&str]) -> Selected<'a> {
        let instance = self.instance;
        let [field, rest @ ..] = path else {
            return Selected::Unknown;
        };
        let found = match *field {
            "Meta" => return meta_entry(&instance.meta, rest),
            "TaggedAddresses" => return address(&instance.tagged_addresses, rest),
            "Weights" => return weight(instance.weights, rest),
            "Proxy" | "Connect" => return inside(instance.extra.get(*field), rest),
            "Kind" => Selected::Text(kind(instance)),
            "ID" => Selected::Text(&instance.key.id),
            "Service" => Selected::Text(&instance.service),
            "Tags" => Selected::Texts(&instance.tags),
            "Port" => Selected::Int(instance.port.into()),
            "Address" => Selected::Text(&instance.address),
            "SocketPath" => Selected::Text(&instance.socket_path),
            "EnableTagOverride" => Selected::Bool(instance.enable_tag_override),
            "Namespace" => Selected::Text(&instance.key.namespace),
            "PeerName" => Selected::Text(""),
            _ => Selected::Unknown,
        };
        rest_of(rest, found)
    }
}

/// `connect-proxy` and the like; empty for an ordinary service.
#[must_use]
pub(crate) fn kind(instance: &Instance) -> &str {
    instance
        .extra
        .get("Kind")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn address<'a>(addresses: &'a BTreeMap<String, ServiceAddress>, path: &[&str]) -> Selected<'a> {
    match path {
        [] => Selected::Keys(addresses.keys().map(String::as_str).collect()),
        [name, "Address"] => addresses
            .get(*name)
            .map_or(Selected::Absent, |one| Selected::Text(&one.address)),
        [name, "Port"] => addresses
            .get(*name)
            .map_or(Selected::Absent, |one| Selected::Int(one.port.into())),
        _ => Selected::Unknown,
    }
}

fn weight(weights: Weights, path: &[&str]) -> Selected<'static> {
    match path {
        ["Passing"] => Selected::Int(weights.passing.into()),
        ["Warning"] => Selected::Int(weights.warning.into()),
        _ => Selected::Unknown,
    }
}

/// A member of what was registered for the mesh. Its fields are not known here, so none is wrong.
fn inside<'a>(value: Option<&'a Value>, path: &[&str]) -> Selected<'a> {
    let found = value.and_then(|value| path.iter().try_fold(value, |value, part| value.get(part)));
    match found {
        Some(Value::String(text)) => Selected::Text(text),
        Some(Value::Bool(truth)) => Selected::Bool(*truth),
        Some(Value::Number(number)) => number.as_i64().map_or(Selected::Absent, Selected::Int),
        Some(Value::Object(map)) => Selected::Keys(map.keys().map(String::as_str).collect()),
        _ => Selected::Absent,
    }
}
