//! What is kept of all documents, for those who look back or go back.

use std::{fmt, ops::ControlFlow, sync::Arc};

use state::{EngineError, Rows, Store, WriteError, audit};

use super::{
    Cause, Generation, Outcome, SERVED, generation, generations, layers, put, served, set_standing,
    standing,
};
use crate::{
    Data, Diff, DocumentId, Mask, Path, Problem, Value, clock::now_ms, pipeline::build_kept,
};

/// Generations and audit log of a node, whether or not something watches its documents. Sealed values stay
/// sealed: nothing here needs a key.
#[derive(Clone)]
pub struct Archive {
    store: Arc<Store>,
}

/// Where a document stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Position {
    /// The generation in force.
    pub serving: u64,
    /// The last one that worked well.
    pub good: Option<u64>,
    /// The one that the document is pinned to.
    pub pin: Option<u64>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// There never was such a document.
    #[error("there is no document {0}")]
    NoDocument(DocumentId),
    /// There is no such generation.
    #[error("generation {number} of {document} is not kept")]
    NoGeneration {
        /// Of which document.
        document: DocumentId,
        /// Its number.
        number: u64,
    },
    /// The document is not pinned.
    #[error("{0} is not pinned")]
    NotPinned(DocumentId),
    /// What is kept cannot be read any more.
    #[error("generation {number} cannot be read: {}", joined(problems))]
    Unreadable {
        /// Its number.
        number: u64,
        /// Why.
        problems: Vec<Problem>,
    },
    /// The state cannot be read.
    #[error(transparent)]
    Read(#[from] EngineError),
    /// The state cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

fn joined(problems: &[Problem]) -> String {
    let shown: Vec<_> = problems.iter().map(ToString::to_string).collect();
    shown.join("; ")
}

/// Hides sealed texts: what differs in them tells nothing.
struct Sealed;

impl Mask for Sealed {
    fn hides(&self, _: &Path, data: &Data) -> bool {
        match data {
            Data::Secret(_) => true,
            Data::Text(text) => crate::secrets::Sealed::is_meant(text),
            _ => false,
        }
    }

    fn text(&self, text: &str) -> String {
        text.to_owned()
    }
}

impl Archive {
    /// What `store` keeps.
    #[must_use]
    pub fn new(store: Arc<Store>) -> Self {
        Self { store }
    }

    /// All documents that ever had a generation.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn documents(&self) -> Result<Vec<DocumentId>, EngineError> {
        let mut found = Vec::new();
        self.store.read()?.scan(SERVED, &[], &mut |key, _, _| {
            let name = std::str::from_utf8(key).ok();
            let parts = name.and_then(|name| name.split_once('/'));
            found.extend(parts.and_then(|(namespace, name)| DocumentId::new(namespace, name).ok()));
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// Where a document stands.
    ///
    /// # Errors
    /// When there is no such document.
    pub fn position(&self, id: &DocumentId) -> Result<Position, ArchiveError> {
        position(&self.store.read()?, id)
    }

    /// The generations that are kept, oldest first.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn generations(&self, id: &DocumentId) -> Result<Vec<Generation>, EngineError> {
        generations(&self.store.read()?, id)
    }

    /// A generation as its sources said it, merged.
    ///
    /// # Errors
    /// When it is not kept, or cannot be read any more.
    pub async fn document(&self, id: &DocumentId, number: u64) -> Result<Value, ArchiveError> {
        let contents = {
            let rows = self.store.read()?;
            let kept = kept(&rows, id, number)?;
            layers(&rows, id, &kept)?
        };
        let built = build_kept(id, &contents).await;
        built.map_err(|problems| ArchiveError::Unreadable { number, problems })
    }

    /// What differs between two generations. A value that was sealed again counts as another one.
    ///
    /// # Errors
    /// When one of them is not kept, or cannot be read any more.
    pub async fn diff(&self, id: &DocumentId, from: u64, to: u64) -> Result<Diff, ArchiveError> {
        let before = self.document(id, from).await?;
        let after = self.document(id, to).await?;
        Ok(Diff::between(Some(&before), &after, &Sealed))
    }

    /// Goes back to generation `to` while nobody watches the document, and pins it. It is checked when
    /// golens starts. Returns the number of the new generation.
    ///
    /// # Errors
    /// When that generation is not kept, or the state cannot be written.
    pub async fn rollback(
        &self,
        id: &DocumentId,
        to: u64,
        actor: &str,
        reason: &str,
    ) -> Result<u64, ArchiveError> {
        let position = self.position(id)?;
        let diff = self.diff(id, position.serving, to).await?;
        let (contents, mut next, mut stands) = {
            let rows = self.store.read()?;
            let next = kept(&rows, id, to)?;
            (layers(&rows, id, &next)?, next, standing(&rows, id)?)
        };
        let number = position.serving + 1;
        next.number = number;
        next.time_ms = now_ms();
        next.layers.clear();
        next.cause = Cause::Rollback(to);
        actor.clone_into(&mut next.actor);
        reason.clone_into(&mut next.reason);
        next.diff = diff;
        next.outcome = Outcome::Unproven;
        stands.pin = Some(number);
        let event = audit::Event {
            actor: actor.to_owned(),
            action: "config.rollback".to_owned(),
            target: id.to_string(),
            outcome: format!("generation {number} from {to}: {reason}"),
        };
        let id = id.clone();
        let write = self.store.write(move |tx| {
            put(tx, &id, next, &contents, stands)?;
            audit::append(tx, event)?;
            Ok::<_, WriteError>(())
        });
        write.await?;
        Ok(number)
    }

    /// Takes the pin away while nobody watches the document. Returns the generation that was pinned.
    ///
    /// # Errors
    /// When it is not pinned, or the state cannot be written.
    pub async fn unpin(
        &self,
        id: &DocumentId,
        actor: &str,
        reason: &str,
    ) -> Result<u64, ArchiveError> {
        let pinned = self.position(id)?.pin;
        let pinned = pinned.ok_or_else(|| ArchiveError::NotPinned(id.clone()))?;
        let mut stands = standing(&self.store.read()?, id)?;
        stands.pin = None;
        let event = unpinned(id, pinned, actor, reason);
        let id = id.clone();
        let write = self.store.write(move |tx| {
            set_standing(tx, &id, stands)?;
            audit::append(tx, event)?;
            Ok::<_, WriteError>(())
        });
        write.await?;
        Ok(pinned)
    }

    /// The newest `most` entries of the audit log, oldest first.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn audit(&self, most: usize) -> Result<Vec<audit::Entry>, EngineError> {
        audit::latest(&self.store.read()?, most)
    }

    /// Checks that nobody changed the audit log.
    ///
    /// # Errors
    /// The first break of its chain.
    pub fn verify_audit(&self) -> Result<audit::Verified, audit::AuditError> {
        audit::verify(&self.store.read()?)
    }
}

/// The entry of the audit log about a pin that was taken away.
pub(crate) fn unpinned(id: &DocumentId, pinned: u64, actor: &str, reason: &str) -> audit::Event {
    audit::Event {
        actor: actor.to_owned(),
        action: "config.unpin".to_owned(),
        target: id.to_string(),
        outcome: format!("generation {pinned} is no longer pinned: {reason}"),
    }
}

fn position(rows: &impl Rows, id: &DocumentId) -> Result<Position, ArchiveError> {
    let (serving, _) = served(rows, id)?.ok_or_else(|| ArchiveError::NoDocument(id.clone()))?;
    let stands = standing(rows, id)?;
    Ok(Position {
        serving,
        good: stands.good,
        pin: stands.pin,
    })
}

fn kept(rows: &impl Rows, id: &DocumentId, number: u64) -> Result<Generation, ArchiveError> {
    position(rows, id)?;
    generation(rows, id, number)?.ok_or_else(|| ArchiveError::NoGeneration {
        document: id.clone(),
        number,
    })
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive").finish_non_exhaustive()
    }
}
