//! What changed on this node, for whoever tells other nodes.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::Notify;

use super::pending::Step;
use crate::model::{InstanceKey, Name, Source};

/// Instances that are remembered one by one; with more, everything is looked at.
const MOST: usize = 10_000;

/// What is to be looked at. Says what changed and not how: who is slow sees the newest state.
#[derive(Debug, Default)]
pub(crate) struct Dirty {
    /// Instances that came, changed or went.
    pub(crate) instances: BTreeSet<InstanceKey>,
    /// The node itself changed.
    pub(crate) node: bool,
    /// There were too many changes to remember.
    pub(crate) all: bool,
}

/// Collects changes of this node's instances until somebody takes them.
#[derive(Debug)]
pub(crate) struct Outward {
    node: Name,
    is_on: AtomicBool,
    dirty: Mutex<Dirty>,
    news: Notify,
}

impl Outward {
    pub(super) fn new(node: Name) -> Self {
        Self {
            node,
            is_on: AtomicBool::new(false),
            dirty: Mutex::default(),
            news: Notify::new(),
        }
    }

    /// Begins to collect.
    pub(crate) fn begin(&self) {
        self.is_on.store(true, Ordering::Release);
    }

    /// Takes what there is.
    pub(crate) fn take(&self) -> Dirty {
        std::mem::take(&mut *self.dirty.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until there is something.
    pub(crate) async fn changed(&self) {
        self.news.notified().await;
    }

    /// Everything is to be looked at: the state was replaced.
    pub(super) fn forget(&self) {
        self.tell(Dirty {
            all: true,
            ..Dirty::default()
        });
    }

    /// What of a change concerns this node. To be told when readers see the change, not before.
    pub(super) fn of(&self, steps: &[Step]) -> Dirty {
        let mut news = Dirty::default();
        if !self.is_on.load(Ordering::Acquire) {
            return news;
        }
        for step in steps {
            match step {
                Step::Instance { before, after } => {
                    let ours = before.iter().chain(after);
                    let ours = ours.filter(|instance| self.is_ours(&instance.key, instance.source));
                    news.instances
                        .extend(ours.map(|instance| instance.key.clone()));
                }
                Step::Node { before, after } => {
                    let mut entries = before.iter().chain(after);
                    news.node |= entries.any(|entry| entry.node.name == self.node);
                }
                Step::Shadowed { .. } => {}
            }
        }
        news
    }

    /// Tells what is to be looked at.
    pub(super) fn tell(&self, news: Dirty) {
        if news.instances.is_empty() && !news.node && !news.all {
            return;
        }
        let mut dirty = self.dirty.lock().unwrap_or_else(PoisonError::into_inner);
        dirty.node |= news.node;
        dirty.all |= news.all;
        dirty.instances.extend(news.instances);
        if dirty.all || dirty.instances.len() > MOST {
            dirty.instances.clear();
            dirty.all = true;
        }
        drop(dirty);
        self.news.notify_one();
    }

    fn is_ours(&self, key: &InstanceKey, source: Source) -> bool {
        key.node == self.node && source != Source::Etcd
    }
}
