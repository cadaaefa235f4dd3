//! Registering, changing and removing instances.

use std::sync::Arc;

use state::tokens::Right;

use super::{Changed, Registry, WatchKey, change::Change, merge, processes};
use crate::{
    Caller, RegistryError,
    model::{Addition, CheckSpec, Instance, InstanceKey, Name, Registration, Source, Status},
};

impl Registry {
    /// Registers an instance, or changes it. An equal registration changes nothing and moves no index.
    ///
    /// An API registration and a discovered process with the same node, address and port are one instance:
    /// the registered one. The discovered one is kept aside and comes back when the registered one goes.
    ///
    /// # Errors
    /// `Denied`, `Name`, `DuplicateCheck`, `UnknownNode`, `State`.
    pub async fn register(
        &self,
        registration: Registration,
        caller: &Caller,
    ) -> Result<Changed, RegistryError> {
        caller.require(Right::Write, &registration.key.namespace)?;
        merge::validate(&registration)?;
        self.change(move |change| register(change, registration))
            .await
    }

    /// Removes an instance with its checks.
    ///
    /// # Errors
    /// `Denied`, `UnknownInstance`, `State`.
    pub async fn deregister(
        &self,
        key: &InstanceKey,
        caller: &Caller,
    ) -> Result<Changed, RegistryError> {
        caller.require(Right::Write, &key.namespace)?;
        let key = key.clone();
        self.noted(caller, "instance.deregister", path(&key), move |change| {
            deregister(change, &key)
        })
        .await
    }

    /// Replaces the tags of an instance.
    ///
    /// # Errors
    /// `Denied`, `UnknownInstance`, `State`.
    pub async fn set_tags(
        &self,
        key: &InstanceKey,
        tags: Vec<String>,
        caller: &Caller,
    ) -> Result<Changed, RegistryError> {
        caller.require(Right::Write, &key.namespace)?;
        let key = key.clone();
        self.noted(caller, "instance.tag", path(&key), move |change| {
            let old = known(change, &key)?;
            if old.tags == tags {
                return Ok(());
            }
            change.put_instance(Instance {
                tags,
                modify_revision: change.revision(),
                ..Instance::clone(&old)
            })
        })
        .await
    }

    /// Puts an instance into maintenance, with a reason, or takes it out, with `None`.
    ///
    /// # Errors
    /// `Denied`, `UnknownInstance`, `State`.
    pub async fn set_maintenance(
        &self,
        key: &InstanceKey,
        reason: Option<String>,
        caller: &Caller,
    ) -> Result<Changed, RegistryError> {
        caller.require(Right::Write, &key.namespace)?;
        let key = key.clone();
        self.noted(caller, "instance.maintain", path(&key), move |change| {
            let spec = CheckSpec::instance_maintenance(&key.id, reason.as_deref().unwrap_or(""));
            match reason {
                Some(_) => add_check(change, &key, maintenance(spec)),
                None => remove_check(change, &key, &spec.id).map(drop),
            }
        })
        .await
    }

    /// What to wait for to see an instance change.
    pub fn watch_key_of(&self, key: &InstanceKey) -> Option<WatchKey> {
        Some(WatchKey::Service(self.instance(key)?.service_key()))
    }
}

/// How the audit log names an instance.
pub(super) fn path(key: &InstanceKey) -> String {
    format!("{}/{}/{}", key.namespace, key.node, key.id)
}

/// The check of maintenance mode: critical as long as it is there.
pub(super) fn maintenance(spec: CheckSpec) -> Addition {
    Addition {
        status: Some(Status::Critical),
        ..Addition::new(spec)
    }
}

fn known(change: &Change<'_, '_>, key: &InstanceKey) -> Result<Arc<Instance>, RegistryError> {
    let instance = change.instance(key);
    instance.ok_or_else(|| RegistryError::UnknownInstance(key.clone()))
}

pub(super) fn register(
    change: &mut Change<'_, '_>,
    registration: Registration,
) -> Result<(), RegistryError> {
    if change.node(&registration.key.node).is_none() {
        return Err(RegistryError::UnknownNode(registration.key.node));
    }
    let old = change.instance(&registration.key);
    let new = merge::instance(registration, old.as_deref(), change.revision());
    if old.as_deref() == Some(&new) {
        return Ok(());
    }
    match new.source {
        Source::Api => {
            for discovered in change.pending.same_socket(&new, Source::Discovered) {
                change.remove_instance(&discovered.key)?;
                change.shadow(&discovered.key.clone(), Some(discovered));
            }
        }
        Source::Discovered => {
            if old.as_ref().is_some_and(|old| old.source == Source::Api) {
                return Ok(());
            }
            if change.pending.has_same_socket(&new, Source::Api) {
                processes::found(change, &new)?;
                change.remove_instance(&new.key)?;
                change.shadow(&new.key.clone(), Some(Arc::new(new)));
                return Ok(());
            }
        }
        Source::Etcd => {}
    }
    change.put_instance(new)?;
    match old {
        Some(old) => uncover(change, &old),
        None => Ok(()),
    }
}

pub(super) fn deregister(
    change: &mut Change<'_, '_>,
    key: &InstanceKey,
) -> Result<(), RegistryError> {
    let is_hidden = change.pending.shadowed.contains_key(key);
    let Some(old) = change.instance(key) else {
        change.shadow(key, None);
        return match is_hidden {
            true => Ok(()),
            false => Err(RegistryError::UnknownInstance(key.clone())),
        };
    };
    change.remove_instance(key)?;
    uncover(change, &old)
}

/// Brings back what `old` hid and nothing hides any more.
fn uncover(change: &mut Change<'_, '_>, old: &Instance) -> Result<(), RegistryError> {
    let hidden = change.pending.shadowed.values();
    let free: Vec<_> = hidden
        .filter(|hidden| hidden.key.node == old.key.node && hidden.port == old.port)
        .filter(|hidden| !change.pending.has_same_socket(hidden, Source::Api))
        .cloned()
        .collect();
    for instance in free {
        change.shadow(&instance.key, None);
        change.put_instance(Instance {
            modify_revision: change.revision(),
            ..Instance::clone(&instance)
        })?;
    }
    Ok(())
}

/// Adds a check to an instance, or changes it.
pub(super) fn add_check(
    change: &mut Change<'_, '_>,
    key: &InstanceKey,
    addition: Addition,
) -> Result<(), RegistryError> {
    let old = known(change, key)?;
    let checks = merge::checks(vec![addition], &old.checks, true, change.revision());
    if checks == old.checks {
        return Ok(());
    }
    change.put_instance(Instance {
        checks,
        ..Instance::clone(&old)
    })
}

/// Removes a check of an instance. Returns whether it was there.
pub(super) fn remove_check(
    change: &mut Change<'_, '_>,
    key: &InstanceKey,
    id: &Name,
) -> Result<bool, RegistryError> {
    let old = known(change, key)?;
    let mut new = Instance::clone(&old);
    new.checks.retain(|check| check.spec.id != *id);
    if new.checks.len() == old.checks.len() {
        return Ok(false);
    }
    change.put_instance(new)?;
    Ok(true)
}
