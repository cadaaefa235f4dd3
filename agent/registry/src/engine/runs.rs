//! Checks that the node carries out by itself.

use std::{
    sync::{Arc, Weak},
    time::Instant,
};

use super::{
    Inner, Registry,
    alarms::Alarm,
    aliases::Target,
    change::Change,
    checks::{Checks, Live},
    results::set_status,
};
use crate::{
    RegistryError,
    model::{Check, CheckKey, Name, Status},
};

impl Registry {
    /// Runs a check once, beside everything else. The next run is fixed when this one is over, so no check
    /// ever runs twice at a time.
    pub(super) fn run_check(&self, key: CheckKey, live: &Arc<Live>) {
        let Some(runs) = live.runs.as_ref().map(Arc::clone) else {
            return;
        };
        let (live, prober) = (Arc::clone(live), Arc::clone(&self.inner.prober));
        // A run may be long; it does not keep the registry open.
        let registry: Weak<Inner> = Arc::downgrade(&self.inner);
        drop(tokio::spawn(async move {
            let outcome = prober.run(&live.spec.probe).await;
            let (Some(outcome), Some(inner)) = (outcome, registry.upgrade()) else {
                return;
            };
            let registry = Self { inner };
            let checks = &registry.inner.model.checks;
            let Some((live, status)) = checks.ran(&key, &runs, outcome.status) else {
                return;
            };
            match registry.say(&key, &live, status, &outcome.output).await {
                // It was removed while its result was on the way.
                Ok(_) | Err(RegistryError::UnknownCheck(_)) => {}
                Err(error) => {
                    tracing::error!(%error, check = %key.id, "the result of a check is not written yet");
                }
            }
        }));
    }
}

/// Gives an alias the status of what it looks at. Runs with the changes, so that it sees them in order.
pub(super) fn look_at_target(
    change: &mut Change<'_, '_>,
    key: &CheckKey,
    live: &Live,
    checks: &Checks,
) -> Result<(), RegistryError> {
    let (Some(target), Some(runs)) = (Target::of(&live.spec.probe, key), &live.runs) else {
        return Ok(());
    };
    // Before the look: what changes from now on makes it ring again.
    checks.ring_again(key, Alarm::Run, runs.next(Instant::now()));
    let (status, output) = look(change, key, &target);
    live.set_output(&output);
    set_status(change, key, live.owner.as_ref(), status, output)
}

/// The worst check of the target, other than the alias itself, and what it says.
fn look(change: &Change<'_, '_>, own: &CheckKey, target: &Target) -> (Status, String) {
    let Some(node) = change.node(&target.node) else {
        let output = format!("Node {:?} is not registered", target.node);
        return (Status::Critical, output);
    };
    let instance = match &target.instance {
        None => None,
        Some(key) => match change.instance(key) {
            Some(instance) => Some(instance),
            None => {
                let output = format!(
                    "Service {:?} is not registered on node {:?}",
                    key.id, key.node
                );
                return (Status::Critical, output);
            }
        },
    };
    let of_instance = instance.iter().flat_map(|instance| &instance.checks);
    let is_own = |check: &Check| check.spec.id == own.id && Name::clone(&target.node) == own.node;
    let checks = node.checks.iter().chain(of_instance);
    let worst = checks
        .filter(|check| !is_own(check))
        .max_by_key(|check| check.status);
    match worst {
        None => (Status::Passing, "No checks found.".to_owned()),
        Some(check) if check.status == Status::Passing => {
            (Status::Passing, "All checks passing.".to_owned())
        }
        Some(check) => {
            let output = format!(
                "Aliased check {:?} failing: {}",
                check.spec.name, check.output
            );
            (check.status, output)
        }
    }
}
