//! What people order: go back, follow again.

use state::{EngineError, WriteError, audit};
use tokio::sync::oneshot;

use super::{apply::Why, build::build, run::Run};
use crate::{
    Happened, Problem,
    history::{self, Cause},
};

/// An order to a document's task.
pub(super) struct Order {
    pub(super) what: Command,
    pub(super) actor: String,
    pub(super) reason: String,
    pub(super) reply: oneshot::Sender<Result<u64, CommandError>>,
}

/// What is ordered.
pub(super) enum Command {
    Rollback(u64),
    Unpin,
}

/// Why an order was not carried out. Nothing changed then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// There is no such generation.
    #[error("generation {number} is not kept")]
    NoGeneration {
        /// Its number.
        number: u64,
    },
    /// The document is not pinned.
    #[error("the document is not pinned")]
    NotPinned,
    /// The generation does not fit any more.
    #[error("generation {number} was refused: {}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Refused {
        /// Its number.
        number: u64,
        /// Why.
        problems: Vec<Problem>,
    },
    /// The state could not be read.
    #[error(transparent)]
    Read(#[from] EngineError),
    /// The state could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The document is not watched any more.
    #[error("the document is not watched any more")]
    Closed,
}

impl Run {
    pub(super) async fn obey(&mut self, order: Order) {
        let done = match order.what {
            Command::Rollback(to) => self.rollback(to, &order.actor, &order.reason).await,
            Command::Unpin => self.unpin(&order.actor, &order.reason).await,
        };
        // Who ordered may be gone.
        drop(order.reply.send(done));
    }

    async fn rollback(&mut self, to: u64, actor: &str, reason: &str) -> Result<u64, CommandError> {
        let id = self.definition.id.clone();
        let (generation, contents) = {
            let rows = self.shared.store.read()?;
            let generation = history::generation(&rows, &id, to)?;
            let generation = generation.ok_or(CommandError::NoGeneration { number: to })?;
            let contents = history::layers(&rows, &id, &generation)?;
            (generation.number, contents)
        };
        let refused = |problems| CommandError::Refused {
            number: generation,
            problems,
        };
        let hooks = &self.shared.hooks;
        let built = build(&self.definition, hooks, &contents, None).await;
        let value = built.map_err(|rejection| refused(rejection.problems))?;
        let why = Why {
            cause: Cause::Rollback(to),
            actor: actor.to_owned(),
            reason: reason.to_owned(),
        };
        let applied = self.apply(value, contents, why).await;
        let number = applied.map_err(|rejection| refused(rejection.problems))?;
        let actor = actor.to_owned();
        let rolled_back = Happened::RolledBack {
            generation: number,
            to,
            actor,
        };
        self.shared.tell(&id, rolled_back);
        Ok(number)
    }

    async fn unpin(&mut self, actor: &str, reason: &str) -> Result<u64, CommandError> {
        let pinned = self.standing.pin.ok_or(CommandError::NotPinned)?;
        let id = self.definition.id.clone();
        let standing = history::Standing {
            pin: None,
            ..self.standing
        };
        let event = history::unpinned(&id, pinned, actor, reason);
        let write = self.shared.store.write(move |tx| {
            history::set_standing(tx, &id, standing)?;
            audit::append(tx, event)?;
            Ok::<_, WriteError>(())
        });
        write.await?;
        self.standing = standing;
        self.shared
            .note(&self.definition.id, |status| status.pin = None);
        let actor = actor.to_owned();
        self.shared
            .tell(&self.definition.id, Happened::Unpinned { actor });
        self.consider().await;
        Ok(self
            .running
            .as_ref()
            .map_or(pinned, |running| running.generation))
    }
}
