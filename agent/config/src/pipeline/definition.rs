//! What a document is made of, and how fast.

use std::{sync::Arc, time::Duration};

use crate::{Check, Component, DocumentId, Kind, Schema, Source, VersionRule};

/// A document to be watched.
pub struct Definition {
    /// Its name.
    pub id: DocumentId,
    /// Its sources. Among those of one kind, later ones win.
    pub sources: Vec<Arc<dyn Source>>,
    /// Kinds of sources, lowest precedence first. Kinds that are not listed come before all others.
    pub precedence: Vec<Kind>,
    /// What the merged document must fit.
    pub schema: Option<Arc<Schema>>,
    /// What else is looked at.
    pub checks: Vec<Arc<dyn Check>>,
    /// Whether the document has a version of its own.
    pub versions: Option<VersionRule>,
    /// What the document steers in this process.
    pub components: Vec<Arc<dyn Component>>,
    /// How fast.
    pub timing: Timing,
}

/// How fast changes are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long sources must be quiet before they are read.
    pub quiet: Duration,
    /// How long a change waits for quiet at most.
    pub most: Duration,
    /// How long a generation must work well before it counts as good.
    pub health_window: Duration,
    /// How long the start waits for the first reading of each source.
    pub first_reading: Duration,
    /// After what time content is tried again that failed for a reason outside of it.
    pub retry: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            quiet: Duration::from_millis(100),
            most: Duration::from_secs(1),
            health_window: Duration::from_secs(30),
            first_reading: Duration::from_secs(5),
            retry: Duration::from_secs(30),
        }
    }
}

impl Definition {
    /// A document of these sources, with the default precedence, and nothing that it must fit.
    #[must_use]
    pub fn new(id: DocumentId, sources: Vec<Arc<dyn Source>>) -> Self {
        Self {
            id,
            sources,
            precedence: Kind::ORDER.to_vec(),
            schema: None,
            checks: Vec::new(),
            versions: None,
            components: Vec::new(),
            timing: Timing::default(),
        }
    }

    /// Its sources, lowest precedence first.
    pub(super) fn ordered(&self) -> Vec<Arc<dyn Source>> {
        let mut sources = self.sources.clone();
        let rank = |kind: Kind| self.precedence.iter().position(|other| *other == kind);
        sources.sort_by_key(|source| rank(source.id().kind));
        sources
    }
}
