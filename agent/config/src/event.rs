//! What happened to documents, kept in memory for those who ask.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;
use tokio::sync::watch;

use crate::{DocumentId, Problem, SourceId, clock::now_ms};

/// Events that are kept.
const KEPT: usize = 1_000;

/// A step of the pipeline that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The source could not be read.
    Read,
    /// The bytes are not of their format.
    Parse,
    /// A sealed value did not open.
    Decrypt,
    /// The document breaks its schema.
    Validate,
    /// The document's version may not follow on the running one.
    Version,
    /// A component refused it.
    Prepare,
    /// It could not be written to the node's state.
    Commit,
    /// A component did not work well with it.
    Health,
}

impl Stage {
    /// All of them, in their order.
    pub const ALL: [Self; 8] = [
        Self::Read,
        Self::Parse,
        Self::Decrypt,
        Self::Validate,
        Self::Version,
        Self::Prepare,
        Self::Commit,
        Self::Health,
    ];

    /// One word from a fixed set, for metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Parse => "parse",
            Self::Decrypt => "decrypt",
            Self::Validate => "validate",
            Self::Version => "version",
            Self::Prepare => "prepare",
            Self::Commit => "commit",
            Self::Health => "health",
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "happened")]
#[non_exhaustive]
pub enum Happened {
    /// A generation is in force.
    Applied {
        /// Its number.
        generation: u64,
    },
    /// The health window passed: from now on the generation is what a broken file falls back to.
    ProvedGood {
        /// Its number.
        generation: u64,
    },
    /// A change was refused; the running generation is untouched. The same content is not tried again.
    Rejected {
        /// Where it failed.
        stage: Stage,
        /// Every mistake, masked.
        problems: Vec<Problem>,
        /// The generation that stays in force; `None` when there is none yet.
        running: Option<u64>,
    },
    /// A generation was taken back because a component did not work well with it.
    TakenBack {
        /// The one that failed.
        generation: u64,
        /// The new one, with the content of the last one that was good.
        replaced_by: u64,
        /// What did not work.
        reason: String,
    },
    /// At the start, the sources could not be used: the last good generation is in force instead.
    StartedFromLastKnownGood {
        /// Its number.
        generation: u64,
    },
    /// A source is gone or cannot be read; what it said before stays in force.
    SourceLost {
        /// The source.
        source: SourceId,
        /// What happened to it.
        reason: String,
    },
    /// A source that was lost can be read again.
    SourceBack {
        /// The source.
        source: SourceId,
    },
    /// The document is pinned: a change of its sources waits for the pin to be taken away.
    Held {
        /// The generation that it is pinned to.
        pinned: u64,
    },
    /// Somebody rolled the document back and pinned it.
    RolledBack {
        /// The new generation.
        generation: u64,
        /// The one whose content it has.
        to: u64,
        /// Who.
        actor: String,
    },
    /// Somebody took the pin away.
    Unpinned {
        /// Who.
        actor: String,
    },
}

/// Something that happened to a document.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// Number, from 1.
    pub number: u64,
    /// When, ms since 1970.
    pub time_ms: u64,
    /// The document.
    pub document: DocumentId,
    /// What.
    #[serde(flatten)]
    pub what: Happened,
}

/// The last 1,000 events.
#[derive(Debug)]
pub struct Events {
    kept: Mutex<VecDeque<Event>>,
    newest: watch::Sender<u64>,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            kept: Mutex::default(),
            newest: watch::Sender::new(0),
        }
    }
}

impl Events {
    /// Notes an event and wakes who waits.
    pub fn note(&self, document: &DocumentId, what: Happened) -> Event {
        let mut kept = self.lock();
        let event = Event {
            number: *self.newest.borrow() + 1,
            time_ms: now_ms(),
            document: document.clone(),
            what,
        };
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(event.clone());
        self.newest.send_replace(event.number);
        event
    }

    /// Events with greater numbers than `seen`, oldest first.
    #[must_use]
    pub fn since(&self, seen: u64) -> Vec<Event> {
        let kept = self.lock();
        let newer = kept.iter().filter(|event| event.number > seen);
        newer.cloned().collect()
    }

    /// A place to wait for events: it holds the newest number.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Event>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_events_are_kept_and_numbered() {
        let events = Events::default();
        let document = DocumentId::new("dev", "app").expect("a name");
        for generation in 1..=1_002 {
            events.note(&document, Happened::Applied { generation });
        }
        let kept = events.since(0);
        assert_eq!(kept.len(), KEPT);
        assert_eq!(kept[0].number, 3);
        assert_eq!(events.since(1_001).len(), 1);
        assert_eq!(*events.subscribe().borrow(), 1_002);
    }
}
