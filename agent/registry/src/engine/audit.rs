//! The audit log: who changed what operators care about, and who was refused.
//!
//! Registrations are not noted: there are too many, and each carries its own revision. What takes something
//! away, hides it or reaches beyond one instance is, in the same commit as the change itself.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use state::{
    WriteError,
    audit::{self, Event},
};

use super::{Changed, Registry, change::Change};
use crate::{Caller, RegistryError, model::Name};

/// A caller that is refused again and again is noted this often.
const DENIALS_EVERY: Duration = Duration::from_secs(60);
/// Callers that are remembered for that.
const MOST_CALLERS: usize = 1024;

const DONE: &str = "done";

/// Callers that were refused lately.
#[derive(Debug, Default)]
pub(super) struct Denials {
    callers: Mutex<HashMap<Name, Denied>>,
}

#[derive(Debug)]
struct Denied {
    noted: Instant,
    /// Refusals since that were not noted.
    silent: u64,
}

impl Denials {
    /// Whether a refusal at `now` is to be noted, and how many were not before it.
    fn take(&self, caller: &Name, now: Instant) -> Option<u64> {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(denied) = callers.get_mut(caller) {
            if now.duration_since(denied.noted) < DENIALS_EVERY {
                denied.silent += 1;
                return None;
            }
            denied.noted = now;
            return Some(std::mem::take(&mut denied.silent));
        }
        if callers.len() >= MOST_CALLERS {
            callers.retain(|_, denied| now.duration_since(denied.noted) < DENIALS_EVERY);
        }
        if callers.len() >= MOST_CALLERS {
            return None;
        }
        let denied = Denied {
            noted: now,
            silent: 0,
        };
        callers.insert(Name::clone(caller), denied);
        Some(0)
    }
}

impl Registry {
    /// Notes that `caller` was refused `action` on `target`: the first time, and then at most once a minute
    /// with the number of refusals in between.
    ///
    /// # Errors
    /// When the state did not take it.
    pub async fn note_denial(
        &self,
        caller: &Name,
        action: &str,
        target: &str,
    ) -> Result<(), RegistryError> {
        let Some(silent) = self.inner.denials.take(caller, Instant::now()) else {
            return Ok(());
        };
        let outcome = match silent {
            0 => "denied".to_owned(),
            silent => format!("denied, and {silent} times before"),
        };
        self.note(event(caller, action, target, outcome)).await
    }

    /// Notes what was done outside of a change of the registry.
    pub(super) async fn note_done(
        &self,
        caller: &Name,
        action: &str,
        target: &str,
    ) -> Result<(), RegistryError> {
        self.note(event(caller, action, target, DONE.to_owned()))
            .await
    }

    async fn note(&self, event: Event) -> Result<(), RegistryError> {
        let noted = self.inner.store.write(move |tx| {
            audit::append(tx, event)?;
            Ok::<_, WriteError>(())
        });
        noted.await?;
        Ok(())
    }

    /// Runs a change and notes it, if it changed anything.
    pub(super) async fn noted(
        &self,
        caller: &Caller,
        action: &'static str,
        target: String,
        work: impl FnOnce(&mut Change<'_, '_>) -> Result<(), RegistryError> + Send + 'static,
    ) -> Result<Changed, RegistryError> {
        let actor = Name::clone(&caller.name);
        self.change(move |change| {
            work(change)?;
            note(change, &actor, action, &target)
        })
        .await
    }
}

/// Notes a change under way, if it changed anything.
pub(super) fn note(
    change: &mut Change<'_, '_>,
    actor: &Name,
    action: &str,
    target: &str,
) -> Result<(), RegistryError> {
    if change.has_changed() {
        audit::append(change.tx, event(actor, action, target, DONE.to_owned()))?;
    }
    Ok(())
}

fn event(actor: &Name, action: &str, target: &str, outcome: String) -> Event {
    Event {
        actor: actor.to_string(),
        action: action.to_owned(),
        target: target.to_owned(),
        outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_denials_are_counted_and_noted_once_a_minute() {
        let denials = Denials::default();
        let begin = Instant::now();
        let caller = Name::from("10.0.0.7");
        assert_eq!(denials.take(&caller, begin), Some(0));
        assert_eq!(denials.take(&caller, begin), None);
        assert_eq!(denials.take(&caller, begin + DENIALS_EVERY / 2), None);
        assert_eq!(denials.take(&caller, begin + DENIALS_EVERY), Some(2));
    }

    #[test]
    fn the_callers_that_are_remembered_are_bounded() {
        let denials = Denials::default();
        let begin = Instant::now();
        for number in 0..MOST_CALLERS {
            let caller = Name::from(number.to_string());
            assert_eq!(denials.take(&caller, begin), Some(0));
        }
        assert_eq!(denials.take(&"more".into(), begin), None);
        assert_eq!(denials.take(&"more".into(), begin + DENIALS_EVERY), Some(0));
    }
}
