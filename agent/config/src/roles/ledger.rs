//! Notes refusals and looks at secrets in the audit log.

use std::{fmt, sync::Arc};

use state::{EngineError, Store, WriteError, audit};

use crate::{DocumentId, Masker, Right};

/// Bytes of the longest text that is noted of a caller.
const LONGEST: usize = 400;

/// The audit log, with known secrets masked.
#[derive(Clone)]
pub struct Ledger {
    store: Arc<Store>,
    masker: Arc<Masker>,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").finish_non_exhaustive()
    }
}

impl Ledger {
    /// The audit log of `store`.
    #[must_use]
    pub fn new(store: Arc<Store>, masker: Arc<Masker>) -> Self {
        Self { store, masker }
    }

    /// Notes that `actor` wanted to do something with a document, and what came of it. A log that cannot be
    /// written is told on stderr: the caller has its answer already.
    pub async fn note(&self, actor: &str, right: Right, document: &DocumentId, outcome: &str) {
        let action = match right {
            Right::Read => "config.read",
            Right::Reveal => "config.reveal",
            Right::Write => "config.write",
            Right::Audit => "config.audit",
        };
        self.enter(actor, action, &document.to_string(), outcome)
            .await;
    }

    /// Notes that `actor` asked for something with a token or a signature that is not good.
    pub async fn note_stranger(&self, actor: &str, asked: &str, outcome: &str) {
        self.enter(actor, "config.identify", asked, outcome).await;
    }

    async fn enter(&self, actor: &str, action: &str, target: &str, outcome: &str) {
        let event = audit::Event {
            actor: self.noted(actor),
            action: action.to_owned(),
            target: self.noted(target),
            outcome: self.noted(outcome),
        };
        let shown = format!(
            "{} {action} {}: {}",
            event.actor, event.target, event.outcome
        );
        let written = self.store.write(move |tx| {
            audit::append(tx, event)?;
            Ok::<_, WriteError>(())
        });
        if let Err(error) = written.await {
            tracing::error!(%error, event = shown, "cannot write the audit log");
        }
    }

    /// The newest `most` entries, oldest first: what an auditor sees.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn latest(&self, most: usize) -> Result<Vec<audit::Entry>, EngineError> {
        audit::latest(&self.store.read()?, most)
    }

    fn noted(&self, text: &str) -> String {
        self.masker.mask(text).chars().take(LONGEST).collect()
    }
}
