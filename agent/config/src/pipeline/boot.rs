//! The start: what is kept, what the sources say, and which of both is used.

use std::sync::Arc;

use super::{Contents, Rejection, apply::Why, build::build, run::Run};
use crate::{
    Happened, Published, Stage,
    history::{self, Cause, Generation, Outcome},
};

/// A generation that is kept.
struct Kept {
    generation: Generation,
    revision: state::Revision,
    contents: Contents,
}

impl Run {
    /// Puts a generation in force: the kept one if the sources say the same or the document is pinned,
    /// else a new one, else the last good one.
    pub(super) async fn boot(&mut self) {
        let kept = match self.load() {
            Ok(kept) => kept,
            Err(rejection) => {
                self.reject(rejection).await;
                None
            }
        };
        self.start_sources(kept.as_ref().map_or(&[], |kept| &kept.contents))
            .await;
        let Some(kept) = kept else {
            return self.consider().await;
        };
        let contents = self.contents();
        let is_same = history::content_hash(&contents) == kept.generation.content_hash;
        if is_same || self.standing.pin.is_some() {
            match self.restore(&kept).await {
                Ok(()) => return self.consider().await,
                Err(rejection) => self.reject(rejection).await,
            }
            return self.last_known_good(kept).await;
        }
        // What changed is told against the kept generation, if that can still be built.
        let before = build(&self.definition, &self.shared.hooks, &kept.contents, None).await;
        self.running = before
            .ok()
            .map(|value| published(&self.definition.id, &kept, value));
        self.consider().await;
        let is_new = self.newest > kept.generation.number;
        if !is_new {
            self.running = None;
            self.last_known_good(kept).await;
        }
    }

    fn load(&mut self) -> Result<Option<Kept>, Rejection> {
        let id = &self.definition.id;
        let read = || {
            let rows = self.shared.store.read()?;
            let standing = history::standing(&rows, id)?;
            let Some((number, revision)) = history::served(&rows, id)? else {
                return Ok((standing, None));
            };
            let Some(generation) = history::generation(&rows, id, number)? else {
                return Ok((standing, None));
            };
            let contents = history::layers(&rows, id, &generation)?;
            let kept = Kept {
                generation,
                revision,
                contents,
            };
            Ok::<_, state::EngineError>((standing, Some(kept)))
        };
        let (standing, kept) = read().map_err(Rejection::state)?;
        self.standing = standing;
        self.newest = kept.as_ref().map_or(0, |kept| kept.generation.number);
        Ok(kept)
    }

    /// Puts a kept generation in force as it is.
    async fn restore(&mut self, kept: &Kept) -> Result<(), Rejection> {
        let value = build(&self.definition, &self.shared.hooks, &kept.contents, None).await?;
        let prepared = self.prepare(&value).await?;
        let published = published(&self.definition.id, kept, value);
        self.shared.documents.restore(Arc::clone(&published));
        for component in prepared {
            component.commit();
        }
        self.in_force(published);
        if kept.generation.outcome == Outcome::Unproven {
            self.proving = Some(std::time::Instant::now() + self.definition.timing.health_window);
        }
        Ok(())
    }

    /// The sources cannot be used: what worked well before is used instead.
    async fn last_known_good(&mut self, kept: Kept) {
        let good = self.standing.good.unwrap_or(kept.generation.number);
        let started = match good == kept.generation.number {
            true => self.restore(&kept).await.map(|()| Some(good)),
            false => self.again(good).await,
        };
        match started {
            Ok(Some(generation)) => {
                self.shared
                    .note(&self.definition.id, |status| status.last_change_ok = false);
                let started = Happened::StartedFromLastKnownGood { generation };
                self.shared.tell(&self.definition.id, started);
            }
            Ok(None) => {}
            Err(rejection) => self.reject(rejection).await,
        }
    }

    /// A new generation with the content of a kept one.
    async fn again(&mut self, good: u64) -> Result<Option<u64>, Rejection> {
        let Some((good, contents)) = self.kept(Some(good))? else {
            return Ok(None);
        };
        let value = build(&self.definition, &self.shared.hooks, &contents, None).await?;
        let why = Why {
            cause: Cause::LastKnownGood(good),
            actor: "config".to_owned(),
            reason: "the sources could not be used at the start".to_owned(),
        };
        self.apply(value, contents, why).await.map(Some)
    }

    /// What the sources said for a kept generation.
    pub(super) fn kept(&self, number: Option<u64>) -> Result<Option<(u64, Contents)>, Rejection> {
        let Some(number) = number else {
            return Ok(None);
        };
        let id = &self.definition.id;
        let read = || {
            let rows = self.shared.store.read()?;
            let Some(generation) = history::generation(&rows, id, number)? else {
                return Ok(None);
            };
            let contents = history::layers(&rows, id, &generation)?;
            Ok::<_, state::EngineError>(Some((number, contents)))
        };
        read().map_err(Rejection::state)
    }
}

impl Rejection {
    fn state(error: state::EngineError) -> Self {
        let problems = super::build::whole("state", error.to_string());
        Self {
            is_transient: true,
            ..Self::new(Stage::Read, problems)
        }
    }
}

fn published(id: &crate::DocumentId, kept: &Kept, value: crate::Value) -> Arc<Published> {
    Arc::new(Published {
        id: id.clone(),
        generation: kept.generation.number,
        revision: kept.revision,
        value: Arc::new(value),
        layers: kept.contents.clone().into(),
    })
}
