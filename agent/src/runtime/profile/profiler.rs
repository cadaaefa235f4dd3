//! Takes goroutine profiles of one process: memory reads only, the process runs on.

use std::{collections::HashMap, sync::Arc};

use super::{
    facts::ProfileFacts,
    groups::{Groups, Key, Sample, Tally},
    reasons::Names,
    room::Room,
    slots::{Slots, Tenths},
    stack::Stacks,
    walk::{List, Walker},
};
use crate::{clock::MonotonicNanos, discovery::Process, resolve::BinaryInfo, runtime::ReadError};

/// A tenth of a second.
const TENTH_NS: u64 = 100_000_000;
/// Groups whose stack is looked at, the largest ones first.
const STACKS: usize = 512;

/// Reads one process, and remembers since when it knows each goroutine.
#[derive(Debug)]
pub struct Profiler {
    process: Arc<Process>,
    facts: ProfileFacts,
    bias: u64,
    /// Executable parts of the program as run-time addresses.
    code: Vec<(u64, u64)>,
    reasons: Names,
    walker: Walker,
    slots: Slots,
    /// Stacks of the last reading: of a goroutine that did not run they are still true.
    stacks: HashMap<Key, (Sample, Vec<u64>)>,
    begun: MonotonicNanos,
    limit: usize,
}

/// Groups of goroutines with addresses as linked, not named yet.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) taken: MonotonicNanos,
    pub(super) groups: Vec<RawGroup>,
    /// Entries of the list beyond the limit, ended goroutines included.
    pub(super) unread: u64,
    /// Entries that were read but found no room to be remembered.
    pub(super) unremembered: u64,
    pub(super) ungrouped: u64,
}

/// One group; instructions are those of the calls, not behind them.
#[derive(Debug)]
pub(super) struct RawGroup {
    pub(super) count: u64,
    pub(super) known: u64,
    pub(super) unmoved: u64,
    pub(super) state: &'static str,
    /// Number and name of the reason.
    pub(super) reason: Option<(u8, Option<String>)>,
    pub(super) age_ns: u64,
    pub(super) wait_ns: Option<u64>,
    pub(super) creator: Option<u64>,
    pub(super) start: u64,
    pub(super) stack: Vec<u64>,
    /// Id of the goroutine that has this stack.
    pub(super) sample: u64,
}

impl Profiler {
    /// Prepares to read a process that runs this binary; at most `limit` goroutines are looked at, and
    /// those that find place in `room` are remembered until the next profile.
    ///
    /// Reads no memory of the process, which could make its reader wait: that begins with the first profile.
    ///
    /// # Errors
    /// When the process has gone, or does not show its executable in its memory.
    pub fn new(
        process: Arc<Process>,
        binary: &BinaryInfo,
        facts: &ProfileFacts,
        limit: usize,
        room: &Room,
    ) -> Result<Self, ReadError> {
        let pid = process.id.pid;
        let bias = process
            .load_base(binary.base_address())
            .map_err(|reason| ReadError::Gone { pid, reason })?;
        let code = binary.segments.iter().filter(|part| part.executable);
        let code = code.map(|part| {
            let start = part.address.wrapping_add(bias);
            (start, start.saturating_add(part.memory_size))
        });
        Ok(Self {
            code: code.collect(),
            facts: facts.clone(),
            bias,
            reasons: Names::new(facts.wait_reasons, bias),
            walker: Walker::default(),
            slots: Slots::new(room.clone()),
            stacks: HashMap::new(),
            begun: MonotonicNanos::now(),
            limit,
            process,
        })
    }

    /// The process.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Reads all goroutines; nothing of it is kept when the process went away meanwhile.
    ///
    /// # Errors
    /// `Gone` when the process has ended or runs another program: drop the profiler then.
    pub(super) fn take(&mut self) -> Result<Snapshot, ReadError> {
        let pid = self.process.id.pid;
        let taken = MonotonicNanos::now();
        let at = self.tenths(taken);
        let list = List {
            length: self.facts.allglen.wrapping_add(self.bias),
            pointer: self.facts.allgptr.wrapping_add(self.bias),
        };
        let length = self.walker.length(pid, list)?;
        let count = usize::try_from(length)
            .unwrap_or(usize::MAX)
            .min(self.limit);
        let remembered = self.slots.resize(count);
        let mut groups = Groups::default();
        let (fields, slots) = (&self.facts.g, &mut self.slots);
        self.walker
            .walk(pid, list, fields, count, |number, address, window| {
                groups.add((number, address), window, fields, slots, at);
            })?;
        let ungrouped = groups.ungrouped;
        let mut tallies: Vec<(Key, Tally)> = groups.tallies.into_iter().collect();
        tallies.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.count));
        self.read_stacks(&tallies)?;
        self.reasons.read(pid)?;
        self.process
            .recheck()
            .map_err(|reason| ReadError::Gone { pid, reason })?;
        Ok(Snapshot {
            groups: tallies
                .iter()
                .map(|(key, tally)| self.group(key, tally, taken))
                .collect(),
            taken,
            unread: length.saturating_sub(u64::try_from(count).unwrap_or_default()),
            unremembered: u64::try_from(count - remembered).unwrap_or_default(),
            ungrouped,
        })
    }

    /// Reads the stack of one goroutine of each group that waits.
    fn read_stacks(&mut self, tallies: &[(Key, Tally)]) -> Result<(), ReadError> {
        let stacks = Stacks {
            pid: self.process.id.pid,
            fields: &self.facts.g,
            code: &self.code,
        };
        let mut known = std::mem::take(&mut self.stacks);
        let waiting = tallies.iter().filter(|(key, _)| key.state.is_parked());
        for (key, tally) in waiting.take(STACKS) {
            if let Some(same) = known.remove(key)
                && same.0 == tally.longest
                && tally.unmoved > 0
            {
                self.stacks.insert(*key, same);
                continue;
            }
            if let Some(found) = stacks.first_of(tally)? {
                self.stacks.insert(*key, found);
            }
        }
        Ok(())
    }

    fn group(&self, key: &Key, tally: &Tally, taken: MonotonicNanos) -> RawGroup {
        let now = self.tenths(taken);
        let since = |then: Tenths| u64::from(now.saturating_sub(then)) * TENTH_NS;
        let noted = match tally.wait_since_ns {
            0 => 0,
            noted => taken.0.saturating_sub(noted),
        };
        let stack = self.stacks.get(key);
        let linked = |address: u64| address.wrapping_sub(self.bias);
        RawGroup {
            count: tally.count,
            known: tally.known,
            unmoved: tally.unmoved,
            state: key.state.name(),
            reason: (key.state.is_parked() && key.reason != 0)
                .then(|| (key.reason, self.reasons.of(key.reason).map(str::to_owned))),
            age_ns: since(tally.first_seen).max(noted),
            wait_ns: tally.parked_since.map(|then| since(then).max(noted)),
            // Behind the call.
            creator: (key.creator != 0).then(|| linked(key.creator).wrapping_sub(1)),
            start: linked(key.start),
            stack: stack.map_or_else(Vec::new, |(_, calls)| {
                calls.iter().map(|call| linked(*call)).collect()
            }),
            sample: stack.map_or(tally.longest.id, |(sample, _)| sample.id),
        }
    }

    fn tenths(&self, at: MonotonicNanos) -> Tenths {
        let passed = at.0.saturating_sub(self.begun.0) / TENTH_NS;
        Tenths::try_from(passed).unwrap_or(Tenths::MAX)
    }
}
