//! Checks: added, removed, and what they say.

use std::{sync::Arc, time::Instant};

use state::tokens::Right;

use super::{
    Changed, Registry, alarms::Alarm, audit, change::Change, checks::Live, instances, merge, nodes,
    runs::look_at_target,
};
use crate::{
    Caller, RegistryError,
    model::{Addition, Check, CheckKey, Instance, InstanceKey, Name, NodeEntry, Status},
};

impl Registry {
    /// Adds a check to an instance, or to the node without one; replaces a check with the same id.
    ///
    /// # Errors
    /// `Denied`, `Name`, `UnknownInstance`, `UnknownNode`, `State`.
    pub async fn register_check(
        &self,
        node: &Name,
        instance: Option<&InstanceKey>,
        check: Addition,
        caller: &Caller,
    ) -> Result<Changed, RegistryError> {
        match instance {
            Some(key) => caller.require(Right::Write, &key.namespace)?,
            None => caller.require(Right::Admin, "*")?,
        }
        merge::validate_checks(std::slice::from_ref(&check))?;
        let (node, instance) = (Name::clone(node), instance.cloned());
        self.change(move |change| match instance {
            Some(key) => instances::add_check(change, &key, check),
            None => nodes::add_check(change, &node, check),
        })
        .await
    }

    /// Removes a check.
    ///
    /// # Errors
    /// `Denied`, `UnknownCheck`, `State`.
    pub async fn deregister_check(
        &self,
        key: &CheckKey,
        caller: &Caller,
    ) -> Result<Changed, RegistryError> {
        let live = self.live(key)?;
        match &live.owner {
            Some(owner) => caller.require(Right::Write, &owner.namespace)?,
            None => caller.require(Right::Admin, "*")?,
        }
        let key = key.clone();
        self.change(move |change| {
            let removed = match &live.owner {
                Some(owner) => instances::remove_check(change, owner, &key.id),
                None => nodes::remove_check(change, &key.node, &key.id),
            };
            match removed? {
                true => Ok(()),
                false => Err(RegistryError::UnknownCheck(key)),
            }
        })
        .await
    }

    /// Takes the report of a TTL check: moves its deadline, and its status if it differs. Only the latter
    /// is written and moves an index.
    ///
    /// # Errors
    /// `Denied`, `UnknownCheck`, `NotTtl`, `State`.
    pub async fn heartbeat(
        &self,
        key: &CheckKey,
        status: Status,
        output: &str,
        caller: &Caller,
    ) -> Result<Changed, RegistryError> {
        let live = self.live(key)?;
        caller.require(Right::Write, &key.namespace)?;
        if !self.inner.model.checks.beat(&live, Instant::now()) {
            return Err(RegistryError::NotTtl(key.clone()));
        }
        self.say(key, &live, status, output).await
    }

    /// Takes the result of any check, from whoever runs it. A new output with the old status is shown, but
    /// not written, and moves no index.
    ///
    /// # Errors
    /// `UnknownCheck`, `State`.
    pub async fn set_check_status(
        &self,
        key: &CheckKey,
        status: Status,
        output: &str,
    ) -> Result<Changed, RegistryError> {
        let live = self.live(key)?;
        self.say(key, &live, status, output).await
    }

    /// Takes what a check says.
    pub(super) async fn say(
        &self,
        key: &CheckKey,
        live: &Arc<Live>,
        status: Status,
        output: &str,
    ) -> Result<Changed, RegistryError> {
        live.set_output(output);
        if live.is_settled_at(status) {
            return Ok(self.unchanged());
        }
        let _changing = live.changing();
        let (key, owner, output) = (key.clone(), live.owner.clone(), output.to_owned());
        self.change(move |change| set_status(change, &key, owner.as_ref(), status, output))
            .await
    }

    /// Does what an alarm is for, unless a report came since it rang.
    pub(super) async fn alarm(&self, key: CheckKey, alarm: Alarm) -> Result<(), RegistryError> {
        let Some(live) = self.inner.model.checks.get(&key) else {
            return Ok(());
        };
        // A report that comes from here on queues behind this.
        let _changing = live.changing();
        let model = Arc::clone(&self.inner.model);
        let work = move |change: &mut Change<'_, '_>| {
            let Some(live) = model.checks.get(&key) else {
                return Ok(());
            };
            if !model.checks.is_due(&live, alarm, Instant::now()) {
                return Ok(());
            }
            let owner = live.owner.as_ref();
            match (alarm, owner) {
                (Alarm::Silent, _) => {
                    let output = expired(&live.output());
                    live.set_output(&output);
                    set_status(change, &key, owner, Status::Critical, output)
                }
                (Alarm::Remove, Some(owner)) => match change.instance(owner) {
                    Some(_) => {
                        instances::deregister(change, owner)?;
                        let target = instances::path(owner);
                        audit::note(change, &"golens".into(), "instance.reap", &target)
                    }
                    None => Ok(()),
                },
                // A node does not go because of a check.
                (Alarm::Remove, None) => Ok(()),
                (Alarm::Run, _) => look_at_target(change, &key, &live, &model.checks),
            }
        };
        self.change(work).await.map(drop)
    }

    fn live(&self, key: &CheckKey) -> Result<Arc<Live>, RegistryError> {
        let live = self.inner.model.checks.get(key);
        live.ok_or_else(|| RegistryError::UnknownCheck(key.clone()))
    }
}

/// Output of a TTL check that was silent for too long: that, and its last words.
fn expired(last: &str) -> String {
    const EXPIRED: &str = "TTL expired";
    match last {
        "" => EXPIRED.to_owned(),
        last if last.starts_with(EXPIRED) => last.to_owned(),
        last => format!("{EXPIRED} (last output before time-out follows): {last}"),
    }
}

pub(super) fn set_status(
    change: &mut Change<'_, '_>,
    key: &CheckKey,
    owner: Option<&InstanceKey>,
    status: Status,
    output: String,
) -> Result<(), RegistryError> {
    let unknown = || RegistryError::UnknownCheck(key.clone());
    let revision = change.revision();
    let update = |checks: &[Check]| {
        let place = checks.iter().position(|check| check.spec.id == key.id)?;
        let mut checks = checks.to_vec();
        let check = checks.get_mut(place)?;
        if check.status == status {
            return Some(None);
        }
        check.status = status;
        check.output = output;
        check.modify_revision = revision;
        Some(Some(checks))
    };
    match owner {
        Some(owner) => {
            let instance = change.instance(owner).ok_or_else(unknown)?;
            let Some(checks) = update(&instance.checks).ok_or_else(unknown)? else {
                return Ok(());
            };
            change.put_instance(Instance {
                checks,
                ..Instance::clone(&instance)
            })
        }
        None => {
            let entry = change.node(&key.node).ok_or_else(unknown)?;
            let Some(checks) = update(&entry.checks).ok_or_else(unknown)? else {
                return Ok(());
            };
            change.put_node(NodeEntry {
                checks,
                ..NodeEntry::clone(&entry)
            })
        }
    }
}
