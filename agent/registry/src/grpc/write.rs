//! From the model to messages.

use super::v1;
use crate::{
    Entry, Freshness, Matched, Trust,
    model::{Check, Health, Instance, InstanceKey, Source, Status},
};

pub(super) fn entry(entry: &Entry) -> v1::Instance {
    let Instance {
        key,
        service,
        address,
        port,
        ports,
        socket_path,
        tagged_addresses,
        tags,
        meta,
        weights,
        source,
        create_revision,
        modify_revision,
        ..
    } = entry.instance.as_ref();
    // Whoever gets an instance wants to connect to it.
    let address = match address.as_str() {
        "" => &entry.node.node.address,
        _ => address,
    };
    let ports = ports.iter().map(|port| v1::Port {
        name: port.name.clone(),
        port: port.port.into(),
        default: port.default,
    });
    let tagged = tagged_addresses.iter().map(|(name, at)| {
        let (address, port) = (at.address.clone(), at.port.into());
        (name.clone(), v1::Address { address, port })
    });
    let checks = entry.node.checks.iter().chain(&entry.instance.checks);
    v1::Instance {
        id: Some(id(key)),
        service: service.to_string(),
        address: address.clone(),
        port: u32::from(*port),
        ports: ports.collect(),
        tags: tags.clone(),
        metadata: meta
            .iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
        weights: Some(v1::Weights {
            passing: weights.passing,
            warning: weights.warning,
        }),
        tagged_addresses: tagged.collect(),
        socket_path: socket_path.clone(),
        health: health(entry.health()).into(),
        checks: checks.map(check).collect(),
        source: self::source(*source).into(),
        create_revision: create_revision.0,
        modify_revision: modify_revision.0,
    }
}

pub(super) fn id(key: &InstanceKey) -> v1::InstanceId {
    v1::InstanceId {
        namespace: key.namespace.to_string(),
        node: key.node.to_string(),
        id: key.id.to_string(),
    }
}

pub(super) fn matched(matched: Matched) -> v1::Matched {
    match matched {
        Matched::Tag => v1::Matched::Tag,
        Matched::Namespace => v1::Matched::Namespace,
        Matched::Panic => v1::Matched::Panic,
    }
}

fn check(check: &Check) -> v1::CheckResult {
    let status = match check.status {
        Status::Passing => v1::Status::Passing,
        Status::Warning => v1::Status::Warning,
        Status::Critical => v1::Status::Critical,
    };
    v1::CheckResult {
        id: check.spec.id.to_string(),
        name: check.spec.name.clone(),
        status: status.into(),
        output: check.output.clone(),
    }
}

fn health(health: Health) -> v1::Health {
    match health {
        Health::Passing => v1::Health::Passing,
        Health::Warning => v1::Health::Warning,
        Health::Critical => v1::Health::Critical,
        Health::Maintenance => v1::Health::Maintenance,
    }
}

fn source(source: Source) -> v1::Source {
    match source {
        Source::Api => v1::Source::Api,
        Source::Discovered => v1::Source::Discovered,
        Source::Etcd => v1::Source::Cluster,
    }
}

/// How far an answer is to be trusted.
pub(super) fn trust(trust: Trust) -> v1::Trust {
    let freshness = match trust.freshness {
        Freshness::Fresh => v1::Freshness::Fresh,
        Freshness::Stale => v1::Freshness::Stale,
        Freshness::Expired => v1::Freshness::Expired,
    };
    v1::Trust {
        freshness: freshness.into(),
        // Some hundred years fit.
        last_contact: trust.last_contact.try_into().ok(),
        protected: trust.protected,
    }
}
