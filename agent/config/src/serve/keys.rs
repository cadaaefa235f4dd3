//! Documents as keys, for who reads a store of keys and values: the document `app` of the namespace `dev` is
//! the key `FOLDERdev/app.json`, and its value is the document as JSON.
//!
//! They are told from memory and never written anywhere, because their secrets are open. A document with
//! secrets is for those who may see them; a store of keys has no way to ask for it without.

use std::{fmt, sync::Arc, time::Instant};

use state::Revision;

use crate::{Access, Denied, DocumentId, Documents, Published, Reveal, Right};

/// What the key of every document ends with: clients go by it.
const ENDING: &str = ".json";

/// What somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked<'a> {
    /// This key.
    Key(&'a str),
    /// All keys that begin so.
    Prefix(&'a str),
}

/// A document as a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The key.
    pub key: String,
    /// The document.
    pub json: String,
    /// Revision at which it was published.
    pub revision: Revision,
}

/// The documents as keys.
pub struct Keys<Caller: ?Sized> {
    documents: Arc<Documents>,
    access: Arc<dyn Access<Caller>>,
    folder: String,
}

impl<Caller: ?Sized> Keys<Caller> {
    /// The documents as keys in `folder`, which ends with a slash, or is empty.
    #[must_use]
    pub fn new(folder: &str, documents: Arc<Documents>, access: Arc<dyn Access<Caller>>) -> Self {
        Self {
            documents,
            access,
            folder: folder.to_owned(),
        }
    }

    /// What all keys begin with.
    #[must_use]
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// What there is of it now, in order. Of a prefix, what the caller may not see is left out.
    ///
    /// # Errors
    /// The one key that was asked for is not for the caller.
    pub fn find(&self, caller: &Caller, asked: Asked<'_>) -> Result<Vec<Found>, Denied> {
        match asked {
            Asked::Key(key) => {
                let Some(id) = self.id(key) else {
                    return Ok(Vec::new());
                };
                self.access.check(caller, Right::Read, &id)?;
                let Some(document) = self.documents.get(&id) else {
                    return Ok(Vec::new());
                };
                self.may_see(caller, &document)?;
                Ok(vec![self.found(&document)])
            }
            Asked::Prefix(prefix) => {
                let documents = self.documents.below(self.beginning(prefix).unwrap_or("/"));
                let mut found: Vec<_> = documents
                    .iter()
                    .filter(|document| self.key(&document.id).starts_with(prefix))
                    .filter(|document| self.may_see(caller, document).is_ok())
                    .map(|document| self.found(document))
                    .collect();
                found.sort_by(|a, b| a.key.cmp(&b.key));
                Ok(found)
            }
        }
    }

    /// Index of what is asked for, there or not.
    #[must_use]
    pub fn index(&self, asked: Asked<'_>) -> Revision {
        let index = match asked {
            Asked::Key(key) => self.id(key).map(|id| self.documents.index(&id)),
            Asked::Prefix(prefix) => {
                let beginning = self.beginning(prefix);
                beginning.map(|it| self.documents.index_below(it))
            }
        };
        index.unwrap_or(Revision::FIRST)
    }

    /// Waits until its index exceeds `seen`, or until `deadline`.
    pub async fn wait(&self, asked: Asked<'_>, seen: Revision, deadline: Instant) {
        // Whether it changed or the time is up: the answer is what there is.
        let _changed_or_late = match asked {
            Asked::Key(key) => match self.id(key) {
                Some(id) => self.documents.wait(&id, seen, deadline).await,
                None => return tokio::time::sleep_until(deadline.into()).await,
            },
            Asked::Prefix(prefix) => match self.beginning(prefix) {
                Some(it) => self.documents.wait_below(it, seen, deadline).await,
                None => return tokio::time::sleep_until(deadline.into()).await,
            },
        };
    }

    fn may_see(&self, caller: &Caller, document: &Published) -> Result<(), Denied> {
        self.access.check(caller, Right::Read, &document.id)?;
        match document.value.has_secrets() {
            true => self.access.check(caller, Right::Reveal, &document.id),
            false => Ok(()),
        }
    }

    fn found(&self, document: &Published) -> Found {
        Found {
            key: self.key(&document.id),
            json: document.value.to_json(Reveal::Plain).to_string(),
            revision: document.revision,
        }
    }

    fn key(&self, id: &DocumentId) -> String {
        format!("{}{id}{ENDING}", self.folder)
    }

    /// The document of a key; `None` when none could have it.
    fn id(&self, key: &str) -> Option<DocumentId> {
        let name = key.strip_prefix(&self.folder)?.strip_suffix(ENDING)?;
        let (namespace, name) = name.split_once('/')?;
        DocumentId::new(namespace, name).ok()
    }

    /// What `namespace/name` of every document begins with whose key begins with `prefix`: the same without
    /// the folder, and without what may be a part of the ending.
    fn beginning<'a>(&self, prefix: &'a str) -> Option<&'a str> {
        let rest = prefix.strip_prefix(&self.folder)?;
        let mut parts = (1..=ENDING.len()).rev().filter_map(|end| ENDING.get(..end));
        Some(
            parts
                .find_map(|part| rest.strip_suffix(part))
                .unwrap_or(rest),
        )
    }
}

impl<Caller: ?Sized> fmt::Debug for Keys<Caller> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keys").field(&self.folder).finish()
    }
}
