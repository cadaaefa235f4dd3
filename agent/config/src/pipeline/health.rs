//! Whether a new generation works well.

use std::time::{Duration, Instant};

use state::WriteError;

use super::{Rejection, apply::Why, build::build, run::Run};
use crate::{
    Happened, Stage,
    history::{self, Cause, Outcome},
};

/// How often components are asked within the window.
const EVERY: Duration = Duration::from_millis(500);

impl Run {
    /// When components are to be asked next.
    pub(super) fn next_check(&self) -> Option<Instant> {
        let until = self.proving?;
        Some(until.min(Instant::now() + EVERY))
    }

    /// Asks the components; at the end of the window the generation is good.
    pub(super) async fn check_health(&mut self) {
        let mut sick = self.definition.components.iter();
        let sick = sick.find_map(|component| Some((component.name(), component.health().err()?)));
        match (sick, self.proving) {
            (Some((name, error)), _) => {
                self.take_back(format!("{name}: {}", error.reason)).await;
            }
            (None, Some(until)) if until <= Instant::now() => self.prove().await,
            (None, _) => {}
        }
    }

    /// The generation in force is good from now on.
    pub(super) async fn prove(&mut self) {
        self.proving = None;
        let Some(generation) = self.running.as_ref().map(|running| running.generation) else {
            return;
        };
        let mut standing = self.standing;
        standing.good = Some(generation);
        let id = self.definition.id.clone();
        let write = self.shared.store.write(move |tx| {
            history::set_standing(tx, &id, standing)?;
            history::set_outcome(tx, &id, generation, Outcome::Good)?;
            Ok::<_, WriteError>(())
        });
        let id = &self.definition.id;
        if let Err(error) = write.await {
            tracing::error!(document = %id, %error, "cannot note that the configuration is good");
            return;
        }
        self.standing = standing;
        self.shared
            .note(id, |status| status.good = Some(generation));
        self.shared.tell(id, Happened::ProvedGood { generation });
    }

    /// Goes back to the last good generation, and does not try the content of this one again.
    async fn take_back(&mut self, reason: String) {
        self.proving = None;
        let Some(failed) = self.running.clone() else {
            return;
        };
        self.refused = Some(history::content_hash(&failed.layers));
        match self.back_to_good(failed.generation, &reason).await {
            Ok(Some(replaced_by)) => {
                let taken_back = Happened::TakenBack {
                    generation: failed.generation,
                    replaced_by,
                    reason,
                };
                self.shared.note(&failed.id, |status| {
                    status.last_change_ok = false;
                    status.refused[Stage::Health as usize] += 1;
                });
                self.shared.tell(&failed.id, taken_back);
            }
            // There is nothing to go back to: it stays, and it is told.
            Ok(None) => {
                let problems = super::build::whole("component", reason);
                self.reject(Rejection::new(Stage::Health, problems)).await;
            }
            Err(rejection) => self.reject(rejection).await,
        }
    }

    async fn back_to_good(&mut self, failed: u64, reason: &str) -> Result<Option<u64>, Rejection> {
        let good = self.standing.good.filter(|good| *good != failed);
        let Some((good, contents)) = self.kept(good)? else {
            return Ok(None);
        };
        let value = build(&self.definition, &self.shared.hooks, &contents, None).await?;
        let why = Why {
            cause: Cause::TakeBack(failed),
            actor: "config".to_owned(),
            reason: format!("back to generation {good}: {reason}"),
        };
        let number = self.apply(value, contents, why).await?;
        // What was good before is good again.
        self.prove().await;
        Ok(Some(number))
    }
}
