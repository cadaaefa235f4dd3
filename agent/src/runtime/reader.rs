//! One target's reader: all that is read of it, copied in one system call.

use std::{cell::RefCell, sync::Arc};

use super::{
    Absence, Figure, Numbers, ReadError, RingCycle, RuntimeFacts, RuntimeReading,
    gc::{GcHistory, GcPieces, RingNews},
    heap::HeapTotals,
    memory,
    plan::{Parts, Plan},
    processors::ProcessorTotals,
    view::View,
    witness::Witness,
};
use crate::{clock::MonotonicNanos, discovery::Process};

/// How often a copy is taken again when its parts are not of one moment.
const RETRIES: usize = 2;

thread_local! {
    /// Where copies are taken to: all targets that a thread reads share it, so that it stays in its caches.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Reads one process; what to copy from where is worked out once.
#[derive(Debug)]
pub struct Reader {
    process: Arc<Process>,
    minor: u32,
    plan: Plan,
    /// What the last copy showed of the program that was opened.
    witness: Option<Witness>,
    history: GcHistory,
    /// Pauses of the last cycles, as of the last cycle that was seen.
    recent: Arc<[u64]>,
}

/// Which parts of a copy are of one moment, and the sums that showed it.
struct Steady {
    gc: bool,
    threads: bool,
    goroutines: bool,
    processors: Result<ProcessorTotals, Absence>,
    heap: Result<HeapTotals, Absence>,
}

impl Steady {
    /// Nothing is left to be copied again.
    fn is_settled(&self) -> bool {
        self.is_whole() && self.goroutines
    }

    /// All parts are of one moment. Goroutines may be many more within it: their middle count stands.
    fn is_whole(&self) -> bool {
        let moves = |absent| absent == Absence::Moving;
        self.gc
            && self.threads
            && !self.processors.is_err_and(moves)
            && !self.heap.as_ref().is_err_and(|absent| moves(*absent))
    }
}

impl Reader {
    /// Plans the readings of a process that runs the binary of `facts`.
    ///
    /// # Errors
    /// When the process has gone or does not show its executable in its memory.
    pub fn new(process: Arc<Process>, facts: &RuntimeFacts) -> Result<Self, ReadError> {
        let pid = process.id.pid;
        let base = process
            .load_base(facts.first_segment)
            .map_err(|reason| ReadError::Gone { pid, reason })?;
        Ok(Self {
            minor: facts.minor,
            plan: Plan::new(facts, base),
            witness: None,
            history: GcHistory::default(),
            recent: Arc::default(),
            process,
        })
    }

    /// Takes a reading; nothing of it is kept when the process went away meanwhile.
    ///
    /// One system call, unless a GC cycle ended, or processors or threads came or went, in the middle of it.
    ///
    /// # Errors
    /// `Gone` when the process has ended or runs another program: drop the reader then.
    pub fn read(&mut self) -> Result<RuntimeReading, ReadError> {
        BUFFER.with_borrow_mut(|buffer| self.read_with(buffer))
    }

    fn read_with(&mut self, buffer: &mut Vec<u8>) -> Result<RuntimeReading, ReadError> {
        self.plan.goroutines.forget();
        let mut steady = self.attempt(buffer)?;
        for _retry in 0..RETRIES {
            if steady.is_settled() {
                break;
            }
            self.look_up(&steady, buffer)?;
            steady = self.attempt(buffer)?;
        }
        let read_at = MonotonicNanos::now();
        self.check(buffer)?;
        Ok(self.publish(&steady, read_at, buffer))
    }

    /// The last GC cycles as of the last reading, newest last, up to 256.
    #[must_use]
    pub fn history(&self) -> Vec<RingCycle> {
        self.history.cycles()
    }

    /// Copies everything; what was looked up before may be gone, and is forgotten then.
    fn attempt(&mut self, buffer: &mut Vec<u8>) -> Result<Steady, ReadError> {
        let pid = self.process.id.pid;
        if let Err(error) = memory::copy(pid, self.plan.places(), buffer) {
            passing(error)?;
            self.plan.forget();
            self.copy_or_tell(buffer)?;
        }
        let copy = self.plan.parts(buffer);
        let plan = &mut self.plan;
        let processors = part(
            plan.processors.as_ref(),
            |all| all.is_whole(copy.whole, copy.processors_again),
            |all| all.totals(copy.followed, copy.processors_again),
        );
        let heap = match &plan.heap {
            None => Err(Absence::Unknown),
            Some(heap) => heap.totals(copy.whole).ok_or(Absence::Moving),
        };
        let early = (&plan.copies, copy.whole);
        Ok(Steady {
            gc: plan.gc.is_stable(copy.whole, copy.gc_again),
            threads: plan
                .threads
                .as_ref()
                .is_none_or(|all| all.is_whole(copy.whole, copy.followed)),
            goroutines: processors.map_or(true, |all| {
                plan.goroutines
                    .count(early, copy.goroutines_again, all.free)
            }),
            processors,
            heap,
        })
    }

    /// Copies what never moves. Where that is not readable, another program may have taken its place.
    fn copy_or_tell(&self, buffer: &mut Vec<u8>) -> Result<(), ReadError> {
        let pid = self.process.id.pid;
        memory::copy(pid, self.plan.places(), buffer).or_else(|error| {
            self.recheck()?;
            Err(error)
        })
    }

    /// Checks that the copy is of the program that was opened.
    fn check(&mut self, buffer: &[u8]) -> Result<(), ReadError> {
        let shown = Witness::of(&self.plan.copies, self.plan.parts(buffer).whole);
        if shown.is_none() || shown != self.witness {
            self.recheck()?;
            self.witness = shown;
        }
        Ok(())
    }

    fn recheck(&self) -> Result<(), ReadError> {
        let pid = self.process.id.pid;
        let gone = |reason| ReadError::Gone { pid, reason };
        self.process.recheck().map_err(gone)
    }

    /// Looks up again what is elsewhere now. What moves on while it is looked up is left for the next copy.
    fn look_up(&mut self, steady: &Steady, buffer: &[u8]) -> Result<(), ReadError> {
        let pid = self.process.id.pid;
        let copy = self.plan.parts(buffer);
        let plan = &mut self.plan;
        if let (Some(processors), Err(Absence::Moving)) = (&mut plan.processors, steady.processors)
            && let Err(error) = processors.look_up(pid, copy.processors_again)
        {
            passing(error)?;
            processors.forget();
        }
        if let (Some(threads), false) = (&mut plan.threads, steady.threads)
            && let Err(error) = threads.follow(pid, copy.whole, copy.followed)
        {
            passing(error)?;
            threads.forget();
        }
        plan.arrange();
        Ok(())
    }

    /// Cycles since the last reading; the ring is looked at only when there are some.
    fn news(&mut self, is_stable: bool, copy: Parts<'_>) -> RingNews {
        let known = self.history.last().map(|last| last.cycles);
        if !is_stable || known == Some(GcPieces::cycles(copy.whole)) {
            return RingNews::default();
        }
        let news = self.history.advance(self.plan.gc.copied(copy.whole));
        let cycles = self.history.cycles();
        self.recent = cycles.iter().map(|cycle| cycle.pause_ns).collect();
        news
    }

    fn publish(
        &mut self,
        steady: &Steady,
        read_at: MonotonicNanos,
        buffer: &[u8],
    ) -> RuntimeReading {
        let copy = self.plan.parts(buffer);
        let news = self.news(steady.gc, copy);
        let plan = &self.plan;
        let first;
        let shown = match self.history.last() {
            Some(last) => last,
            // Not one copy was of one moment yet.
            None => {
                first = plan.gc.copied(copy.whole);
                &first
            }
        };
        let view = View {
            minor: self.minor,
            copies: &plan.copies,
            copied: copy.whole,
            gc: shown,
            goroutines: steady.processors.and_then(|_| plan.goroutines.median()),
            heap: steady.heap.as_ref().map_err(|absent| *absent),
            processors: steady.processors,
            threads: part(
                plan.threads.as_ref(),
                |_| steady.threads,
                |all| all.totals(copy.followed),
            ),
        };
        let numbers = Numbers::new(|figure: Figure| figure.of(&view));
        let sizes = match (&mut self.plan.heap, &steady.heap) {
            (Some(heap), Ok(totals)) => heap.by_size(copy.whole, totals).map(Some),
            _ => [None, None],
        };
        let [allocated, freed] = sizes;
        let histograms = self.plan.histograms.as_mut();
        let times = histograms.map(|all| all.times(copy.whole));
        RuntimeReading {
            numbers,
            times: times.unwrap_or_default(),
            gc_cycles: u64::from(shown.cycles),
            new_gc_cycles: news.cycles,
            gc_pauses_lost: news.lost,
            gc_pause_total_ns: shown.total_ns,
            recent_gc_pauses_ns: Arc::clone(&self.recent),
            complete: steady.is_whole(),
            read_at,
            allocated,
            freed,
        }
    }
}

/// Lets errors pass that come of following pointers while the program changes them.
fn passing(error: ReadError) -> Result<(), ReadError> {
    match error {
        ReadError::Unmapped { .. } | ReadError::Nonsense { .. } => Ok(()),
        other => Err(other),
    }
}

/// The sums of a part, or why there are none.
fn part<T, U>(
    part: Option<&T>,
    is_steady: impl Fn(&T) -> bool,
    totals: impl Fn(&T) -> U,
) -> Result<U, Absence> {
    match part {
        None => Err(Absence::Unknown),
        Some(part) if !is_steady(part) => Err(Absence::Moving),
        Some(part) => Ok(totals(part)),
    }
}
