//! What the pipeline asks of others: who may, what is secret, how a sealed text is opened, who takes part.

use futures_util::future::BoxFuture;

use crate::{Data, DocumentId, Path, Problem, Secret, Value};

/// Opens sealed values, between parsing and merging. The path is part of what is authenticated, so that a
/// sealed text cannot be moved to another key.
pub trait Decrypt: Send + Sync {
    /// Whether a text is a sealed one, good or bad.
    fn is_sealed(&self, text: &str) -> bool;

    /// Opens a sealed text.
    fn open<'a>(
        &'a self,
        document: &'a DocumentId,
        path: &'a Path,
        text: &'a str,
    ) -> BoxFuture<'a, Result<Secret, DecryptError>>;
}

/// Why a sealed text was not opened. It never holds a part of the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot be decrypted: {reason}")]
pub struct DecryptError {
    /// Why.
    pub reason: String,
    /// Whether the same text may open later: the key service cannot be reached now. Then the same content
    /// is tried again, which is not done otherwise.
    pub is_transient: bool,
}

/// Decides what nobody may see in diffs, errors, logs and events.
pub trait Mask: Send + Sync {
    /// Whether the value at `path` is hidden as a whole.
    fn hides(&self, path: &Path, data: &Data) -> bool;

    /// A text without the known secrets in it.
    fn text(&self, text: &str) -> String;
}

/// Hides opened secrets and nothing else.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMask;

impl Mask for NoMask {
    fn hides(&self, _: &Path, data: &Data) -> bool {
        matches!(data, Data::Secret(_))
    }

    fn text(&self, text: &str) -> String {
        text.to_owned()
    }
}

/// What somebody wants to do with a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// See it, secrets masked.
    Read,
    /// See its secrets, too.
    Reveal,
    /// Roll it back, pin it, release it.
    Write,
    /// See who did what.
    Audit,
}

/// Decides who may do what. `caller` is what the server in front knows: a token, a certificate, a process.
pub trait Access<Caller: ?Sized>: Send + Sync {
    /// Whether `caller` may; a refusal is noted by the one who refuses.
    ///
    /// # Errors
    /// `Denied` with the rule that says no.
    fn check(&self, caller: &Caller, right: Right, document: &DocumentId) -> Result<(), Denied>;
}

/// Somebody may not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("denied by rule {rule}")]
pub struct Denied {
    /// The rule's name.
    pub rule: String,
}

/// Finds what a schema cannot say of a document.
pub trait Check: Send + Sync {
    /// Every mistake, with its place. It is asked about documents that break their schema, too, so that all
    /// mistakes are told at once; what it says about a value that breaks the schema is left out.
    fn check(&self, document: &Value) -> Vec<Problem>;
}

/// A part of the program that a document steers. All of a document's components prepare before any commits.
pub trait Component: Send + Sync {
    /// Its name, for messages.
    fn name(&self) -> &'static str;

    /// Makes ready for `next`, without a change that could be noticed. Dropping what it returns undoes it.
    ///
    /// # Errors
    /// Every reason why the component cannot work with it; nothing is changed then.
    fn prepare<'a>(
        &'a self,
        now: Option<&'a Value>,
        next: &'a Value,
    ) -> BoxFuture<'a, Result<Box<dyn Prepared>, Vec<ComponentError>>>;

    /// Whether it works well since the last commit.
    ///
    /// # Errors
    /// What does not work; within the health window this takes the generation back.
    fn health(&self) -> Result<(), ComponentError> {
        Ok(())
    }
}

/// A component that is ready.
pub trait Prepared: Send {
    /// Takes effect. It must not fail and not wait.
    fn commit(self: Box<Self>);
}

/// Why a component refuses a generation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ComponentError {
    /// The setting that is the reason, if it is one.
    pub path: Path,
    /// Why.
    pub reason: String,
}
