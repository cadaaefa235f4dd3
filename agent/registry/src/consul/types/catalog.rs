//! Bodies of `/v1/catalog/register` and `/v1/catalog/deregister`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{
    AddressDefinition, CheckDefinition, PortDefinition, WeightsDefinition,
    service_input::{extra, named_ports, weights},
};
use crate::{
    consul::error::ApiError,
    model::{Addition, CheckSpec, InstanceKey, Name, Probe, Registration, Status},
};

/// A node, perhaps a service on it, and checks of both.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct CatalogRegistration {
    #[serde(rename = "ID")]
    pub(crate) id: String,
    pub(crate) node: String,
    pub(crate) address: String,
    pub(crate) tagged_addresses: BTreeMap<String, String>,
    pub(crate) node_meta: BTreeMap<String, String>,
    pub(crate) datacenter: String,
    pub(crate) service: Option<CatalogService>,
    pub(crate) check: Option<CatalogCheck>,
    pub(crate) checks: Vec<CatalogCheck>,
    pub(crate) skip_node_update: bool,
}

/// A service of a catalogue registration.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct CatalogService {
    pub(crate) kind: Option<Value>,
    #[serde(rename = "ID")]
    pub(crate) id: String,
    pub(crate) service: String,
    pub(crate) tags: Vec<String>,
    pub(crate) meta: BTreeMap<String, String>,
    pub(crate) port: u16,
    pub(crate) ports: Vec<PortDefinition>,
    pub(crate) address: String,
    pub(crate) socket_path: String,
    pub(crate) tagged_addresses: BTreeMap<String, AddressDefinition>,
    pub(crate) weights: Option<WeightsDefinition>,
    pub(crate) enable_tag_override: bool,
    pub(crate) proxy: Option<Value>,
    pub(crate) connect: Option<Value>,
    pub(crate) locality: Option<Value>,
    pub(crate) namespace: String,
    pub(crate) modify_index: u64,
}

/// A check of a catalogue registration: its status is told, nobody carries it out.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct CatalogCheck {
    pub(crate) node: String,
    #[serde(rename = "CheckID")]
    pub(crate) check_id: String,
    pub(crate) name: String,
    pub(crate) status: String,
    pub(crate) notes: String,
    pub(crate) output: String,
    #[serde(rename = "ServiceID")]
    pub(crate) service_id: String,
    pub(crate) definition: CheckDefinition,
    pub(crate) namespace: String,
    pub(crate) modify_index: u64,
}

/// What goes: a service, a check, or with neither the whole node.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct CatalogDeregistration {
    pub(crate) node: String,
    pub(crate) datacenter: String,
    #[serde(rename = "ServiceID")]
    pub(crate) service_id: String,
    #[serde(rename = "CheckID")]
    pub(crate) check_id: String,
    pub(crate) namespace: String,
}

impl CatalogService {
    /// The id of the instance: the name unless one is given.
    #[must_use]
    pub(crate) fn instance_id(&self) -> &str {
        if self.id.is_empty() {
            &self.service
        } else {
            &self.id
        }
    }

    /// The registration of this instance on `node`. Older checks stay.
    ///
    /// # Errors
    /// The service has no name, or contradicts itself.
    pub(crate) fn registration(
        self,
        namespace: Name,
        node: Name,
    ) -> Result<Registration, ApiError> {
        if self.service.is_empty() {
            return Err(ApiError::bad_request(
                "Must provide service name (Service.Service)",
            ));
        }
        let key = InstanceKey {
            namespace,
            node,
            id: self.instance_id().into(),
        };
        Ok(Registration {
            extra: extra([
                ("Kind", self.kind),
                ("Proxy", self.proxy),
                ("Connect", self.connect),
                ("Locality", self.locality),
            ]),
            address: self.address,
            port: self.port,
            ports: named_ports(self.ports)?,
            socket_path: self.socket_path,
            tagged_addresses: self
                .tagged_addresses
                .into_iter()
                .map(|(name, address)| (name, address.into()))
                .collect(),
            tags: self.tags,
            meta: self.meta,
            weights: weights(self.weights)?,
            enable_tag_override: self.enable_tag_override,
            ..Registration::new(key, self.service)
        })
    }
}

impl CatalogCheck {
    /// Id of the check: its name unless one is given.
    #[must_use]
    pub(crate) fn id(&self) -> &str {
        if self.check_id.is_empty() {
            &self.name
        } else {
            &self.check_id
        }
    }

    /// What is to be added; critical unless it says otherwise.
    ///
    /// # Errors
    /// The check has no name, or a status that does not exist.
    pub(crate) fn addition(&self) -> Result<Addition, ApiError> {
        if self.id().is_empty() {
            return Err(ApiError::bad_request("Must provide check ID or name"));
        }
        let status = match self.status.as_str() {
            "" => Status::Critical,
            text => Status::parse(text)
                .ok_or_else(|| ApiError::bad_request(format!("Invalid check status: {text:?}")))?,
        };
        let definition = &self.definition;
        let after = definition.deregister_critical_service_after.to_std();
        Ok(Addition {
            status: Some(status),
            output: self.output.clone(),
            ..Addition::new(CheckSpec {
                notes: self.notes.clone(),
                probe: definition.active_probe().unwrap_or(Probe::External),
                deregister_after: Some(after).filter(|after| !after.is_zero()),
                ..CheckSpec::external(self.id(), self.name.clone())
            })
        })
    }
}
