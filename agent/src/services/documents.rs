//! Documents of the config watcher as keys of the registry's key-value API, so that viper, kratos and
//! `consul/api` read them and wait for them there.

use std::{fmt, pin::Pin, sync::Arc, time::Instant};

use config::{
    Access, Documents,
    caller::Reader,
    serve::keys::{Asked, Found, Keys as Shown},
};
use registry::{
    Caller, Revision,
    consul::{KeyMount, Keys},
    state::kv::Entry,
};

/// Tells the config watcher who calls the registry.
pub type Introduce = Box<dyn Fn(&Caller) -> Reader + Send + Sync>;

/// Documents as keys.
pub struct DocumentKeys {
    shown: Shown<Reader>,
    introduce: Introduce,
}

impl DocumentKeys {
    /// The documents as keys in `folder`, which ends with a slash.
    #[must_use]
    pub fn new(
        folder: &str,
        documents: Arc<Documents>,
        access: Arc<dyn Access<Reader>>,
        introduce: Introduce,
    ) -> Self {
        Self {
            shown: Shown::new(folder, documents, access),
            introduce,
        }
    }
}

impl KeyMount for DocumentKeys {
    fn folder(&self) -> &str {
        self.shown.folder()
    }

    fn index(&self, keys: Keys<'_>) -> Revision {
        self.shown.index(asked(keys))
    }

    fn wait<'a>(
        &'a self,
        keys: Keys<'a>,
        seen: Revision,
        deadline: Instant,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(self.shown.wait(asked(keys), seen, deadline))
    }

    fn entries(&self, caller: &Caller, keys: Keys<'_>) -> Result<Vec<Entry>, String> {
        let found = self.shown.find(&(self.introduce)(caller), asked(keys));
        let found = found.map_err(|denied| denied.to_string())?;
        Ok(found.into_iter().map(entry).collect())
    }
}

fn asked(keys: Keys<'_>) -> Asked<'_> {
    match keys {
        Keys::One(key) => Asked::Key(key),
        Keys::Below(prefix) => Asked::Prefix(prefix),
    }
}

fn entry(found: Found) -> Entry {
    Entry {
        key: found.key,
        value: found.json.into_bytes(),
        flags: 0,
        lock_index: 0,
        session: None,
        // No generation is the first of a key for clients: they compare the other index.
        create_index: Revision::FIRST,
        modify_index: found.revision,
    }
}

impl fmt::Debug for DocumentKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DocumentKeys").field(&self.shown).finish()
    }
}
