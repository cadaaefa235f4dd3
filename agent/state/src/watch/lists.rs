//! Who waits for what: plain data, no threads, no clock of its own.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Topic, slot::Slot};
use crate::Revision;

/// After a topic was released, its next release comes no sooner than this: a service that changes a
/// thousand times a second wakes its watchers fifty times, each time with the newest state.
const QUIET: Duration = Duration::from_millis(20);

/// Waiters of one topic, oldest first.
#[derive(Default)]
struct List {
    waiters: BTreeMap<u64, Arc<Slot>>,
    /// A change that was published and not released yet.
    pending: Option<Revision>,
    /// When the next release may come.
    quiet_until: Option<Instant>,
}

/// All lists. A topic without waiters and without a recent release costs nothing.
#[derive(Default)]
pub(super) struct Lists {
    lists: HashMap<Topic, List>,
    /// How many lists there are for prefixes of each length.
    prefix_lengths: BTreeMap<usize, usize>,
    next_id: u64,
    /// Topics to look at, and when. In order of time, as `QUIET` is the same for all.
    due: VecDeque<(Instant, Topic)>,
    waiting: usize,
}

impl Lists {
    /// Adds a waiter. Returns what [`leave`](Self::leave) wants back.
    pub(super) fn enter(&mut self, topic: &Topic, slot: Arc<Slot>) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let lengths = &mut self.prefix_lengths;
        let list = self.lists.entry(topic.clone()).or_insert_with(|| {
            if let Some(length) = topic.prefix_length() {
                *lengths.entry(length).or_default() += 1;
            }
            List::default()
        });
        list.waiters.insert(id, slot);
        self.waiting += 1;
        id
    }

    /// Removes a waiter.
    pub(super) fn leave(&mut self, topic: &Topic, id: u64) {
        let Some(list) = self.lists.get_mut(topic) else {
            return;
        };
        if list.waiters.remove(&id).is_some() {
            self.waiting -= 1;
        }
        if list.waiters.is_empty() && list.quiet_until.is_none() && list.pending.is_none() {
            self.forget(topic);
        }
    }

    /// Notes that the row with this full key changed. Returns whether somebody is to be woken.
    pub(super) fn publish(&mut self, full: &[u8], revision: Revision, now: Instant) -> bool {
        if self.lists.is_empty() {
            return false;
        }
        let lengths = self.prefix_lengths.range(..=full.len());
        let prefixes = lengths.filter_map(|(length, _)| full.get(..*length));
        let mut topics: Vec<_> = prefixes.map(Topic::of_prefix).collect();
        topics.push(Topic::of_row(full));
        let mut any = false;
        for topic in topics {
            any |= self.mark(topic, revision, now);
        }
        any
    }

    /// Notes that everything changed.
    pub(super) fn publish_all(&mut self, revision: Revision, now: Instant) {
        let topics: Vec<_> = self.lists.keys().cloned().collect();
        for topic in topics {
            self.mark(topic, revision, now);
        }
    }

    fn mark(&mut self, topic: Topic, revision: Revision, now: Instant) -> bool {
        let Some(list) = self.lists.get_mut(&topic) else {
            return false;
        };
        let is_queued = list.pending.is_some() || list.quiet_until.is_some();
        list.pending = list.pending.max(Some(revision));
        if !is_queued {
            // Ahead of all that is quiet until later.
            self.due.push_front((now, topic));
        }
        true
    }

    /// When there is something to do next.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.front().map(|(at, _)| *at)
    }

    /// Takes one topic whose time has come: those of its waiters that do not know the change yet.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<(Revision, Vec<Arc<Slot>>)> {
        loop {
            let (at, topic) = self.due.pop_front()?;
            if at > now {
                self.due.push_front((at, topic));
                return None;
            }
            if let Some(released) = self.release(topic, now) {
                return Some(released);
            }
        }
    }

    fn release(&mut self, topic: Topic, now: Instant) -> Option<(Revision, Vec<Arc<Slot>>)> {
        let list = self.lists.get_mut(&topic)?;
        let Some(revision) = list.pending.take() else {
            // Quiet was kept, and nothing happened in it.
            list.quiet_until = None;
            if list.waiters.is_empty() {
                self.forget(&topic);
            }
            return None;
        };
        let until = now + QUIET;
        list.quiet_until = Some(until);
        let waiters = list.waiters.values();
        let unaware = waiters.filter(|slot| slot.told() < revision);
        let unaware = unaware.map(Arc::clone).collect();
        self.due.push_back((until, topic));
        Some((revision, unaware))
    }

    fn forget(&mut self, topic: &Topic) {
        self.lists.remove(topic);
        let Some(length) = topic.prefix_length() else {
            return;
        };
        if let Some(lists) = self.prefix_lengths.get_mut(&length) {
            *lists -= 1;
            if *lists == 0 {
                self.prefix_lengths.remove(&length);
            }
        }
    }

    /// Tells everybody that nothing will be told any more.
    pub(super) fn close(&mut self) {
        for list in self.lists.values() {
            for slot in list.waiters.values() {
                slot.close();
            }
        }
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }
}
