//! Tags that were asked for and that nobody who is well has: counted always, told once for each beginning
//! and each end, however many callers ask.

use std::{
    collections::{HashSet, VecDeque},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::model::{Health, ServiceKey};

/// Fallbacks that are known at one time; anybody can ask for any tag. Further ones are counted and not told.
const MOST: usize = 256;
/// After so long those that are known make room for others.
const REST: Duration = Duration::from_secs(60);

/// Callers who ask for tags are sent elsewhere from now on, or not any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// Where.
    pub service: ServiceKey,
    /// The tags that were asked for.
    pub tags: Vec<String>,
    /// What became of those who have them.
    pub tagged: Tagged,
}

/// What became of the instances with the tags that were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tagged {
    /// There are none.
    Missing,
    /// None is well.
    Unwell,
    /// One is well again.
    Back,
}

impl Tagged {
    /// The same as half a sentence.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "no instance has these tags",
            Self::Unwell => "no instance with these tags is well",
            Self::Back => "an instance with these tags is well again",
        }
    }
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    pub(super) service: ServiceKey,
    pub(super) tags: Vec<String>,
    /// The worst that counts as well: callers may differ.
    pub(super) worst: Health,
}

/// Those that go on, and what was not told yet.
#[derive(Debug, Default)]
pub(super) struct Fallbacks {
    /// Number of those that go on, to be looked at without the lock.
    known: AtomicUsize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    known: HashSet<Asked>,
    full_since: Option<Instant>,
    news: VecDeque<Fallback>,
}

impl Fallbacks {
    /// Nobody well has the tags.
    pub(super) fn begin(&self, asked: Asked, tagged: Tagged, now: Instant) {
        let mut inner = self.inner();
        if inner.known.contains(&asked) || !inner.has_room(now) {
            return;
        }
        inner.tell(&asked, tagged);
        inner.known.insert(asked);
        self.known.store(inner.known.len(), Ordering::Release);
    }

    /// Somebody well has them; `asked` is made when that may be news.
    pub(super) fn end(&self, asked: impl FnOnce() -> Asked) {
        if self.known.load(Ordering::Acquire) == 0 {
            return;
        }
        let asked = asked();
        let mut inner = self.inner();
        if inner.known.remove(&asked) {
            inner.tell(&asked, Tagged::Back);
            self.known.store(inner.known.len(), Ordering::Release);
        }
    }

    /// What was not told yet, the oldest first.
    pub(super) fn take(&self) -> Vec<Fallback> {
        self.inner().news.drain(..).collect()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn has_room(&mut self, now: Instant) -> bool {
        if self.known.len() < MOST {
            return true;
        }
        let since = *self.full_since.get_or_insert(now);
        let rested = now.saturating_duration_since(since) >= REST;
        if rested {
            self.known.clear();
            self.full_since = None;
        }
        rested
    }

    fn tell(&mut self, asked: &Asked, tagged: Tagged) {
        let ServiceKey { namespace, service } = &asked.service;
        let (tags, reason) = (&asked.tags, tagged.as_str());
        match tagged {
            Tagged::Back => tracing::info!(%namespace, %service, ?tags, reason, "tags match again"),
            _ => tracing::warn!(%namespace, %service, ?tags, reason, "a tag falls back"),
        }
        // Whoever does not take them wants the newest.
        if self.news.len() == MOST {
            self.news.pop_front();
        }
        self.news.push_back(Fallback {
            service: asked.service.clone(),
            tags: asked.tags.clone(),
            tagged,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(tag: &str) -> Asked {
        Asked {
            service: ServiceKey::new("prod", "web"),
            tags: vec![tag.to_owned()],
            worst: Health::Warning,
        }
    }

    #[test]
    fn a_beginning_and_an_end_are_told_once() {
        let (fallbacks, now) = (Fallbacks::default(), Instant::now());
        fallbacks.end(|| asked("canary"));
        for _ in 0..3 {
            fallbacks.begin(asked("canary"), Tagged::Unwell, now);
        }
        fallbacks.end(|| asked("other"));
        fallbacks.end(|| asked("canary"));
        fallbacks.end(|| asked("canary"));
        let told: Vec<Tagged> = fallbacks.take().iter().map(|told| told.tagged).collect();
        assert_eq!(told, [Tagged::Unwell, Tagged::Back]);
        assert_eq!(fallbacks.take(), []);
    }

    #[test]
    fn whoever_asks_for_any_tag_is_told_of_a_few() {
        let (fallbacks, start) = (Fallbacks::default(), Instant::now());
        let flood = |from: usize, at| {
            for number in from..from + 1_000 {
                fallbacks.begin(asked(&number.to_string()), Tagged::Missing, at);
            }
            fallbacks.take().len()
        };
        assert_eq!(flood(0, start), MOST);
        assert_eq!(flood(1_000, start + REST / 2), 0);
        assert_eq!(flood(2_000, start + REST), MOST);
    }
}
