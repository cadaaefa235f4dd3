//! A service's definition to the registry's terms.

use serde_json::{Map, Value};

use crate::{
    consul::{
        error::ApiError,
        types::{
            AddressDefinition, CheckDefinition, PortDefinition, ServiceDefinition,
            WeightsDefinition,
        },
    },
    model::{Addition, InstanceKey, Name, NamedPort, Registration, ServiceAddress, Weights},
};

impl ServiceDefinition {
    /// The id of the instance: the name unless one is given.
    #[must_use]
    pub(crate) fn instance_id(&self) -> &str {
        if self.id.is_empty() {
            &self.name
        } else {
            &self.id
        }
    }

    /// The registration of this instance on `node`.
    ///
    /// # Errors
    /// The definition contradicts itself or wants what does not exist here.
    pub(crate) fn registration(
        self,
        namespace: Name,
        node: Name,
        replace_checks: bool,
    ) -> Result<Registration, ApiError> {
        if self.name.is_empty() {
            return Err(ApiError::bad_request("Missing service name"));
        }
        let key = InstanceKey {
            namespace,
            node,
            id: self.instance_id().into(),
        };
        Ok(Registration {
            checks: self.additions()?,
            replace_checks,
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
            ..Registration::new(key, self.name)
        })
    }

    /// All checks with their ids: `service:<id>`, or with several `service:<id>:<n>` from 1.
    fn additions(&self) -> Result<Vec<Addition>, ApiError> {
        let checks: Vec<&CheckDefinition> = self
            .check
            .iter()
            .chain(&self.checks)
            .filter(|check| !check.is_empty())
            .collect();
        let several = checks.len() > 1;
        let id = self.instance_id();
        let mut additions = Vec::with_capacity(checks.len());
        for (number, check) in (1..).zip(checks) {
            let check_id = match (check.check_id.as_str(), several) {
                ("", true) => format!("service:{id}:{number}"),
                ("", false) => format!("service:{id}"),
                (given, _) => given.to_owned(),
            };
            let name = match check.name.as_str() {
                "" => format!("Service '{}' check", self.name),
                given => given.to_owned(),
            };
            additions.push(check.addition(check_id, name)?);
        }
        Ok(additions)
    }
}

/// The members that are given, with the order and spelling they came in.
pub(super) fn extra<const N: usize>(members: [(&str, Option<Value>); N]) -> Map<String, Value> {
    members
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .filter(|(_, value)| value.as_str() != Some(""))
        .collect()
}

pub(super) fn named_ports(ports: Vec<PortDefinition>) -> Result<Vec<NamedPort>, ApiError> {
    let defaults = ports.iter().filter(|port| port.is_default).count();
    if !ports.is_empty() && defaults != 1 {
        return Err(ApiError::bad_request(
            "Invalid Ports: exactly one of the Ports must be marked as Default",
        ));
    }
    for (at, port) in ports.iter().enumerate() {
        let is_repeated = ports.iter().take(at).any(|other| other.name == port.name);
        if port.name.trim().is_empty() || port.port == 0 || is_repeated {
            return Err(ApiError::bad_request(format!(
                "Invalid Ports: {:?} needs a name of its own and a port other than 0",
                port.name
            )));
        }
    }
    Ok(ports.into_iter().map(NamedPort::from).collect())
}

/// Both are 1 unless given; a passing instance always has a share.
pub(super) fn weights(given: Option<WeightsDefinition>) -> Result<Weights, ApiError> {
    let Some(given) = given else {
        return Ok(Weights::default());
    };
    if given.passing == 0 && given.warning == 0 {
        return Ok(Weights::default());
    }
    if given.passing == 0 || given.passing > 65_535 || given.warning > 65_535 {
        return Err(ApiError::bad_request(
            "Invalid Weights: Passing must be from 1 to 65535 and Warning from 0 to 65535",
        ));
    }
    Ok(Weights {
        passing: given.passing,
        warning: given.warning,
    })
}

impl From<PortDefinition> for NamedPort {
    fn from(port: PortDefinition) -> Self {
        Self {
            name: port.name,
            port: port.port,
            default: port.is_default,
        }
    }
}

impl From<AddressDefinition> for ServiceAddress {
    fn from(address: AddressDefinition) -> Self {
        Self {
            address: address.address,
            port: address.port,
        }
    }
}
