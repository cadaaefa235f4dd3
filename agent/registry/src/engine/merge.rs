//! What a registration makes of the instance that is there.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    RegistryError, Revision,
    model::{Addition, Check, Instance, Name, NodeEntry, Registration, Source, Status, check_name},
};

/// Checks that names are names and no check is given twice.
pub(super) fn validate(registration: &Registration) -> Result<(), RegistryError> {
    check_name("the namespace", &registration.key.namespace)?;
    check_name("the node", &registration.key.node)?;
    check_name("the instance id", &registration.key.id)?;
    check_name("the service", &registration.service)?;
    validate_checks(&registration.checks)
}

pub(super) fn validate_checks(checks: &[Addition]) -> Result<(), RegistryError> {
    let mut ids = BTreeSet::new();
    for check in checks {
        check_name("the check id", &check.spec.id)?;
        if !ids.insert(&check.spec.id) {
            return Err(RegistryError::DuplicateCheck(Name::clone(&check.spec.id)));
        }
    }
    Ok(())
}

/// The instance after `registration`. Equal to `old` when the registration says nothing new.
pub(super) fn instance(
    registration: Registration,
    old: Option<&Instance>,
    revision: Revision,
) -> Instance {
    // Whoever registers says that there is a process.
    let old_checks = old.iter().flat_map(|old| &old.checks);
    let old_checks = old_checks.filter(|check| !check.spec.is_process());
    let old_checks: Vec<_> = old_checks.cloned().collect();
    let keep = !registration.replace_checks;
    let mut instance = Instance {
        key: registration.key,
        service: registration.service,
        address: registration.address,
        port: registration.port,
        ports: registration.ports,
        socket_path: registration.socket_path,
        tagged_addresses: registration.tagged_addresses,
        tags: registration.tags,
        meta: registration.meta.into(),
        weights: registration.weights,
        enable_tag_override: registration.enable_tag_override,
        extra: registration.extra,
        source: registration.source,
        lease: registration.lease,
        checks: checks(registration.checks, &old_checks, keep, revision),
        create_revision: old.map_or(revision, |old| old.create_revision),
        modify_revision: revision,
    };
    instance.tags.shrink_to_fit();
    if let Some(old) = old {
        keep_revision(&mut instance, old);
    }
    instance
}

/// Nothing but checks changed: then the instance itself was not.
fn keep_revision(instance: &mut Instance, old: &Instance) {
    let checks = std::mem::replace(&mut instance.checks, old.checks.clone());
    let revision = std::mem::replace(&mut instance.modify_revision, old.modify_revision);
    if instance != old {
        instance.modify_revision = revision;
    }
    instance.checks = checks;
}

/// `added` and what stays of `old`: all when `keep`, else checks of maintenance mode. Older ones keep
/// their places.
pub(super) fn checks(
    added: Vec<Addition>,
    old: &[Check],
    keep: bool,
    revision: Revision,
) -> Vec<Check> {
    let mut checks: Vec<_> = old
        .iter()
        .filter(|check| {
            let is_replaced = added.iter().any(|new| new.spec.id == check.spec.id);
            keep || is_replaced || check.is_maintenance()
        })
        .cloned()
        .collect();
    for addition in added {
        let place = checks
            .iter()
            .position(|check| check.spec.id == addition.spec.id);
        match place {
            Some(place) => checks[place] = check(addition, Some(&checks[place]), revision),
            None => checks.push(check(addition, None, revision)),
        }
    }
    // There are many of these for a long time: no room for more.
    checks.shrink_to_fit();
    checks
}

/// The check after it was registered. A check that is registered again as it was keeps what it said.
fn check(addition: Addition, old: Option<&Check>, revision: Revision) -> Check {
    let same = old.filter(|old| old.spec.probe == addition.spec.probe);
    let status = addition
        .status
        .or(same.map(|same| same.status))
        .unwrap_or(Status::Critical);
    let output = match same {
        Some(same) if same.status == status && addition.output.is_empty() => same.output.clone(),
        _ => addition.output,
    };
    let is_equal = old.is_some_and(|old| *old.spec == addition.spec && old.status == status);
    Check {
        spec: Arc::new(addition.spec),
        status,
        output,
        create_revision: old.map_or(revision, |old| old.create_revision),
        modify_revision: match old {
            Some(old) if is_equal => old.modify_revision,
            _ => revision,
        },
    }
}

/// The node after `node` and `added` were registered.
pub(super) fn node(
    node: crate::model::Node,
    added: Vec<Addition>,
    old: Option<&NodeEntry>,
    revision: Revision,
) -> NodeEntry {
    let old_checks = old.map_or(&[][..], |old| &old.checks);
    let is_equal = old.is_some_and(|old| old.node == node && old.source == Source::Api);
    NodeEntry {
        node,
        checks: checks(added, old_checks, true, revision),
        source: Source::Api,
        create_revision: old.map_or(revision, |old| old.create_revision),
        modify_revision: match old {
            Some(old) if is_equal => old.modify_revision,
            _ => revision,
        },
    }
}
