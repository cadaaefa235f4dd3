//! An instance with its node and checks: the entries of health and catalogue.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::{
    check::CheckRow,
    node::NodeRow,
    service::{AddressesJson, Config, ServiceForm, ServiceRow, WeightsJson, kind, named},
};
use crate::{
    consul::filter::{Select, Selected},
    model::{Instance, Meta},
};

/// An instance and where it runs: an entry of `/v1/health/service`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HealthEntry<'a> {
    /// The node.
    pub(crate) node: NodeRow<'a>,
    /// The instance.
    pub(crate) instance: &'a Instance,
}

impl<'a> HealthEntry<'a> {
    /// The node's checks and then its own.
    pub(crate) fn checks(&self) -> impl Iterator<Item = CheckRow<'a>> {
        CheckRow::of_node(self.node.entry).chain(CheckRow::of_instance(self.instance))
    }

    fn service(&self) -> ServiceRow<'a> {
        ServiceRow {
            instance: self.instance,
            form: ServiceForm::Catalog,
        }
    }
}

impl Serialize for HealthEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Json<'a> {
            node: NodeRow<'a>,
            service: ServiceRow<'a>,
            checks: Vec<CheckRow<'a>>,
        }
        Json {
            node: self.node,
            service: self.service(),
            checks: self.checks().collect(),
        }
        .serialize(serializer)
    }
}

impl<'a> Select<'a> for HealthEntry<'a> {
    fn select(&self, path: &[&str]) -> Selected<'a> {
        match path {
            ["Node", rest @ ..] => self.node.select(rest),
            ["Service", rest @ ..] => self.service().select(rest),
            ["Checks"] => Selected::Keys(self.checks().map(|row| &*row.check.spec.id).collect()),
            ["Checks", rest @ ..] => {
                Selected::Each(self.checks().map(|row| row.select(rest)).collect())
            }
            _ => Selected::Unknown,
        }
    }
}

/// The same in the flat form of `/v1/catalog/service`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CatalogEntry<'a>(pub HealthEntry<'a>);

impl Serialize for CatalogEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let HealthEntry { node, instance } = self.0;
        CatalogJson {
            id: &node.entry.node.id,
            node: &node.entry.node.name,
            address: &node.entry.node.address,
            datacenter: node.datacenter,
            tagged_addresses: &node.entry.node.tagged_addresses,
            node_meta: &node.entry.node.meta,
            service_kind: kind(instance),
            service_id: &instance.key.id,
            service_name: &instance.service,
            service_tags: &instance.tags,
            service_address: &instance.address,
            service_tagged_addresses: AddressesJson(&instance.tagged_addresses),
            service_weights: instance.weights.into(),
            service_meta: &instance.meta,
            service_port: instance.port,
            service_socket_path: &instance.socket_path,
            service_enable_tag_override: instance.enable_tag_override,
            service_proxy: Config(instance.extra.get("Proxy")),
            service_connect: Config(instance.extra.get("Connect")),
            service_locality: instance.extra.get("Locality"),
            namespace: named(&instance.key.namespace),
            create_index: instance.create_revision.0,
            modify_index: instance.modify_revision.0,
        }
        .serialize(serializer)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CatalogJson<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    node: &'a str,
    address: &'a str,
    datacenter: &'a str,
    tagged_addresses: &'a BTreeMap<String, String>,
    node_meta: &'a BTreeMap<String, String>,
    service_kind: &'a str,
    #[serde(rename = "ServiceID")]
    service_id: &'a str,
    service_name: &'a str,
    service_tags: &'a [String],
    service_address: &'a str,
    service_tagged_addresses: AddressesJson<'a>,
    service_weights: WeightsJson,
    service_meta: &'a Meta,
    service_port: u16,
    #[serde(skip_serializing_if = "str::is_empty")]
    service_socket_path: &'a str,
    service_enable_tag_override: bool,
    service_proxy: Config<'a>,
    service_connect: Config<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_locality: Option<&'a Value>,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'a str,
    create_index: u64,
    modify_index: u64,
}

impl<'a> Select<'a> for CatalogEntry<'a> {
    fn select(&self, path: &[&str]) -> Selected<'a> {
        let [field, rest @ ..] = path else {
            return Selected::Unknown;
        };
        let below = |field| [&[field], rest].concat();
        let service = |field| self.0.service().select(&below(field));
        match *field {
            "NodeMeta" => self.0.node.select(&below("Meta")),
            "ID" | "Node" | "Address" | "Datacenter" | "TaggedAddresses" => {
                self.0.node.select(path)
            }
            "ServiceName" => service("Service"),
            "Namespace" | "PeerName" => self.0.service().select(path),
            _ => field
                .strip_prefix("Service")
                .filter(|field| !field.is_empty() && *field != "Service")
                .map_or(Selected::Unknown, service),
        }
    }
}
