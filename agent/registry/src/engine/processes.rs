//! What becomes of instances whose process has ended, or does not listen any more.
//!
//! A discovered one goes. A registration that hid it stays, as in Consul, until its own checks take it out or
//! its program registers again; but it is critical meanwhile, whatever those checks say still: nobody listens
//! there.

use std::sync::Arc;

use state::tokens::Right;

use super::{Changed, Registry, change::Change, instances};
use crate::{
    Caller, RegistryError,
    model::{Addition, CheckSpec, Instance, InstanceKey, Source, Status},
};

impl Registry {
    /// Removes a discovered instance, for a reason. A registration of the same socket turns critical, unless
    /// another process listens there.
    ///
    /// # Errors
    /// `Denied`, `UnknownInstance`, `State`.
    pub async fn process_gone(
        &self,
        key: &InstanceKey,
        reason: String,
        caller: &Caller,
    ) -> Result<Changed, RegistryError> {
        caller.require(Right::Write, &key.namespace)?;
        let key = key.clone();
        let place = instances::path(&key);
        self.noted(caller, "instance.deregister", place, move |change| {
            gone(change, &key, &reason)
        })
        .await
    }
}

fn gone(change: &mut Change<'_, '_>, key: &InstanceKey, reason: &str) -> Result<(), RegistryError> {
    let hidden = change.pending.shadowed.get(key).map(Arc::clone);
    instances::deregister(change, key)?;
    let Some(hidden) = hidden else {
        return Ok(());
    };
    for registered in change.pending.same_socket(&hidden, Source::Api) {
        if !has_process(change, &registered) {
            let check = Addition {
                status: Some(Status::Critical),
                output: reason.to_owned(),
                ..Addition::new(CheckSpec::process(&registered.key.id))
            };
            instances::add_check(change, &registered.key, check)?;
        }
    }
    Ok(())
}

/// A process listens where these are registered: they are as good as their own checks say.
pub(super) fn found(
    change: &mut Change<'_, '_>,
    discovered: &Instance,
) -> Result<(), RegistryError> {
    for registered in change.pending.same_socket(discovered, Source::Api) {
        let check = CheckSpec::process(&registered.key.id);
        instances::remove_check(change, &registered.key, &check.id)?;
    }
    Ok(())
}

/// Whether a process is known that listens where this is registered.
fn has_process(change: &Change<'_, '_>, registered: &Instance) -> bool {
    let hidden = change.pending.shadowed.values();
    let mut at_its_port = hidden
        .filter(|hidden| hidden.port == registered.port && hidden.key.node == registered.key.node);
    at_its_port.any(|hidden| {
        let same = change.pending.same_socket(hidden, Source::Api);
        same.iter().any(|other| other.key == registered.key)
    })
}
