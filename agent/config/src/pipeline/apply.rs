//! A document that was built becomes the generation in force.

use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};

use state::{WriteError, audit};

use super::{Contents, Rejection, build::whole, run::Run};
use crate::{
    Diff, Happened, Prepared, Problem, Published, Stage, Value,
    clock::now_ms,
    history::{self, Cause, Generation, Outcome},
};

/// Why there is to be a generation.
pub(super) struct Why {
    pub(super) cause: Cause,
    pub(super) actor: String,
    pub(super) reason: String,
}

impl Run {
    /// Prepares all components, writes the generation, publishes it, and lets the components take effect.
    /// Returns its number.
    pub(super) async fn apply(
        &mut self,
        value: Value,
        contents: Contents,
        why: Why,
    ) -> Result<u64, Rejection> {
        if matches!(why.cause, Cause::Change) {
            self.check_version(&value)?;
        }
        let prepared = self.prepare(&value).await?;
        let published = self.commit(value, contents, why).await?;
        for component in prepared {
            component.commit();
        }
        let generation = published.generation;
        self.in_force(published);
        self.proving = Some(Instant::now() + self.definition.timing.health_window);
        self.shared
            .note(&self.definition.id, |status| status.applied += 1);
        self.shared
            .tell(&self.definition.id, Happened::Applied { generation });
        Ok(generation)
    }

    /// Notes which generation is in force.
    pub(super) fn in_force(&mut self, published: Arc<Published>) {
        let (generation, standing) = (published.generation, self.standing);
        self.running = Some(published);
        self.shared.note(&self.definition.id, |status| {
            status.generation = Some(generation);
            status.good = standing.good;
            status.pin = standing.pin;
            status.last_change_ok = true;
        });
    }

    fn check_version(&self, next: &Value) -> Result<(), Rejection> {
        let Some(rule) = &self.definition.versions else {
            return Ok(());
        };
        let now = self.running.as_ref().map(|running| &*running.value);
        if now.is_some_and(|now| !now.differs(next)) {
            return Ok(());
        }
        match rule.check(now, next) {
            None => Ok(()),
            Some(problem) => Err(Rejection::new(Stage::Version, vec![problem])),
        }
    }

    /// All components, ready; if one refuses, none changed anything.
    pub(super) async fn prepare(&self, next: &Value) -> Result<Vec<Box<dyn Prepared>>, Rejection> {
        let now = self.running.as_ref().map(|running| &*running.value);
        let (mut ready, mut problems) = (Vec::new(), Vec::new());
        for component in &self.definition.components {
            match component.prepare(now, next).await {
                Ok(prepared) => ready.push(prepared),
                Err(errors) => problems.extend(errors.into_iter().map(|error| {
                    let message = format!("{}: {}", component.name(), error.reason);
                    let mut problem = Problem::new(error.path, "component", message);
                    let value = next.get(&problem.path);
                    problem.origin = value.map(|value| value.origin.clone());
                    problem
                })),
            }
        }
        match problems.is_empty() {
            true => Ok(ready),
            false => Err(Rejection::new(Stage::Prepare, problems)),
        }
    }

    /// Writes the generation; it is readable before the write is acknowledged.
    async fn commit(
        &mut self,
        value: Value,
        contents: Contents,
        why: Why,
    ) -> Result<Arc<Published>, Rejection> {
        let id = self.definition.id.clone();
        let running = self.running.as_ref();
        let before = running.map(|running| &*running.value);
        let number = self.newest + 1;
        let mut standing = self.standing;
        if matches!(why.cause, Cause::Rollback(_)) {
            standing.pin = Some(number);
        }
        let taken_back = match why.cause {
            Cause::TakeBack(failed) => Some(failed),
            _ => None,
        };
        let event = audited(&id.to_string(), number, &why);
        let generation = Generation {
            number,
            time_ms: now_ms(),
            content_hash: history::content_hash(&contents),
            layers: Vec::new(),
            cause: why.cause,
            actor: why.actor,
            reason: why.reason,
            diff: Diff::between(before, &value, &*self.shared.hooks.mask),
            outcome: Outcome::Unproven,
        };
        let bytes = contents.iter().flat_map(|(_, content)| &content.parts);
        let bytes = bytes.map(|part| part.bytes.len()).sum();
        let (value, layers) = (Arc::new(value), Arc::<[_]>::from(contents));
        let documents = Arc::clone(&self.shared.documents);
        let published = Arc::new(OnceLock::new());
        let slot = Arc::clone(&published);
        let write = self.shared.store.write_large(bytes, move |tx| {
            history::put(tx, &id, generation, &layers, standing)?;
            if let Some(failed) = taken_back {
                history::set_outcome(tx, &id, failed, Outcome::TakenBack)?;
            }
            audit::append(tx, event)?;
            tx.on_commit(move |revision| {
                let next = Arc::new(Published {
                    id,
                    generation: number,
                    revision,
                    value,
                    layers,
                });
                documents.publish(Arc::clone(slot.get_or_init(|| next)));
            });
            Ok::<_, WriteError>(())
        });
        let failed = |message: String| Rejection {
            is_transient: true,
            ..Rejection::new(Stage::Commit, whole("state", message))
        };
        write.await.map_err(|error| failed(error.to_string()))?;
        self.newest = number;
        self.standing = standing;
        let published = published.get().cloned();
        published.ok_or_else(|| failed("the state did not say at which revision".to_owned()))
    }
}

fn audited(document: &str, number: u64, why: &Why) -> audit::Event {
    let (action, from) = match why.cause {
        Cause::Change => ("config.apply", String::new()),
        Cause::Rollback(to) => ("config.rollback", format!(" from {to}")),
        Cause::TakeBack(failed) => ("config.take_back", format!(" instead of {failed}")),
        Cause::LastKnownGood(good) => ("config.last_known_good", format!(" from {good}")),
    };
    audit::Event {
        actor: why.actor.clone(),
        action: action.to_owned(),
        target: document.to_owned(),
        outcome: format!("generation {number}{from}: {}", why.reason),
    }
}
