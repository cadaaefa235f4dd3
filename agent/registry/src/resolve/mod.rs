//! Choosing instances for a caller: by tag, else by namespace. Namespaces never mix.

mod fallback;
mod rules;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use arc_swap::ArcSwap;
use state::tokens::Right;

use self::fallback::{Asked, Fallbacks};
use crate::{
    Caller, Entry, Registry, RegistryError, Revision,
    model::{Health, ServiceKey},
};

pub(crate) use self::rules::{BY_DNS, Sight};
pub use self::{
    fallback::{Fallback, Tagged},
    rules::{TagRule, TagRules},
};

/// What a caller asks for.
#[derive(Clone, Debug)]
pub struct Wish<'a> {
    /// Others are never looked at.
    pub namespace: &'a str,
    /// Name of the service.
    pub service: &'a str,
    /// Tags that an instance must have, all of them.
    pub tags: Vec<&'a str>,
    /// The worst that still counts as well.
    pub worst: Health,
}

/// Why these instances were chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matched {
    /// They are well and have the tags that were asked for.
    Tag,
    /// They are well. No tags were asked for, or nobody who is well has them.
    Namespace,
    /// Nobody is well, so these are all there are: better a sick instance than none.
    Panic,
}

impl Matched {
    /// The word for it, in headers and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tag => "tag",
            Self::Namespace => "namespace",
            Self::Panic => "panic",
        }
    }
}

/// Instances that were chosen.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// Revision of the last change of the service.
    pub index: Revision,
    /// Why these.
    pub matched: Matched,
    /// Ordered by node and id.
    pub entries: Vec<Entry>,
}

/// How often instances were chosen since the start, by what they matched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResolveCounts {
    /// Tags were asked for, and found.
    pub tag: u64,
    /// Tags were asked for, and the answer was those of the namespace that are well.
    pub fallback: u64,
    /// No tags were asked for.
    pub namespace: u64,
    /// Nobody was well.
    pub panic: u64,
}

/// What choosing goes by beside the instances, and what it leaves behind.
#[derive(Debug, Default)]
pub(crate) struct Choosing {
    rules: ArcSwap<TagRules>,
    fallbacks: Fallbacks,
    tag: AtomicU64,
    fallback: AtomicU64,
    namespace: AtomicU64,
    panic: AtomicU64,
}

impl Registry {
    /// Chooses instances of a service: those that have all of the tags and are well, else all of the
    /// namespace that are well, else all that are not in maintenance. Instances with a tag that is not for
    /// this caller are nobody's fallback.
    ///
    /// # Errors
    /// `Denied`, `State`.
    pub fn resolve(&self, wish: &Wish<'_>, caller: &Caller) -> Result<Resolved, RegistryError> {
        caller.require(Right::Read, wish.namespace)?;
        let view = self.service(wish.namespace, wish.service)?;
        let sight = self.sight(caller);
        let open: Vec<&Entry> = view.entries.iter().filter(|e| sight.sees(e)).collect();
        let (matched, chosen) = choose(&open, wish);
        self.choosing().count(wish, matched);
        // Who asks for what is not for them falls back by rule, which is no news.
        if !wish.tags.is_empty() && !open.is_empty() && sight.allows(&wish.tags) {
            self.choosing().note(wish, matched, &open);
        }
        Ok(Resolved {
            index: view.index,
            matched,
            entries: chosen.into_iter().cloned().collect(),
        })
    }

    /// How often instances were chosen.
    pub fn resolve_counts(&self) -> ResolveCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let choosing = self.choosing();
        ResolveCounts {
            tag: read(&choosing.tag),
            fallback: read(&choosing.fallback),
            namespace: read(&choosing.namespace),
            panic: read(&choosing.panic),
        }
    }

    /// Tags that began or ceased to fall back since the last call, the oldest first. At most 256 are kept.
    pub fn take_fallbacks(&self) -> Vec<Fallback> {
        self.choosing().fallbacks.take()
    }
}

impl Choosing {
    fn count(&self, wish: &Wish<'_>, matched: Matched) {
        let counter = match matched {
            Matched::Tag => &self.tag,
            Matched::Namespace if wish.tags.is_empty() => &self.namespace,
            Matched::Namespace => &self.fallback,
            Matched::Panic => &self.panic,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Tags were asked for: are they found, and if not, why?
    fn note(&self, wish: &Wish<'_>, matched: Matched, open: &[&Entry]) {
        let asked = || Asked {
            service: ServiceKey::new(wish.namespace, wish.service),
            tags: wish.tags.iter().map(|tag| (*tag).to_owned()).collect(),
            worst: wish.worst,
        };
        if matched == Matched::Tag {
            return self.fallbacks.end(asked);
        }
        let mut tagged = open.iter().map(|entry| entry.instance.has_tags(&wish.tags));
        let tagged = match tagged.any(|has_tags| has_tags) {
            true => Tagged::Unwell,
            false => Tagged::Missing,
        };
        self.fallbacks.begin(asked(), tagged, Instant::now());
    }
}

fn choose<'a>(open: &[&'a Entry], wish: &Wish<'_>) -> (Matched, Vec<&'a Entry>) {
    let is_well = |entry: &&Entry| entry.health() <= wish.worst;
    let well: Vec<&Entry> = open.iter().copied().filter(is_well).collect();
    if !wish.tags.is_empty() {
        let has_tags = |entry: &&Entry| entry.instance.has_tags(&wish.tags);
        let tagged: Vec<&Entry> = well.iter().copied().filter(has_tags).collect();
        if !tagged.is_empty() {
            return (Matched::Tag, tagged);
        }
    }
    if !well.is_empty() || open.is_empty() {
        return (Matched::Namespace, well);
    }
    let in_service = |entry: &&Entry| entry.health() != Health::Maintenance;
    let open = open.iter().copied();
    (Matched::Panic, open.filter(in_service).collect())
}
