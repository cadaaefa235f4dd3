//! One target's reader: all that is read of it, copied in one system call.

use std::sync::Arc;

use super::{
    Absence, Distribution, Figure, Numbers, ReadError, RingCycle, RuntimeFacts, RuntimeReading,
    TimeCounts,
    copies::Copies,
    facts::HistogramFacts,
    gc::{GcHistory, GcPieces, RingNews},
    goroutines::Goroutines,
    heap::{HeapCopy, HeapTotals},
    memory::{self, Piece},
    processors::{ProcessorTotals, Processors},
    threads::Threads,
    view::View,
};
use crate::{clock::MonotonicNanos, discovery::Process};

/// How often a copy is taken again when its parts are not of one moment.
const RETRIES: usize = 2;

/// Reads one process; what to copy from where is worked out once.
#[derive(Debug)]
pub struct Reader {
    process: Arc<Process>,
    minor: u32,
    gc: GcPieces,
    copies: Copies,
    goroutines: Goroutines,
    heap: Option<HeapCopy>,
    processors: Option<Processors>,
    threads: Option<Threads>,
    histograms: Option<Histograms>,
    history: GcHistory,
    /// Pauses of the last cycles, as of the last cycle that was seen.
    recent: Arc<[u64]>,
}

/// The copied histograms.
#[derive(Debug)]
struct Histograms {
    facts: HistogramFacts,
    pieces: Vec<(Distribution, Piece)>,
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
        let processors = facts.processors.as_ref();
        let threads = facts.threads.as_ref();
        let histograms = facts.histograms.as_ref();
        Ok(Self {
            minor: facts.minor,
            gc: GcPieces::new(&facts.gc, base),
            copies: Copies::new(facts, base, |_| true),
            goroutines: Goroutines::new(facts, base),
            heap: facts.heap.as_ref().map(|heap| HeapCopy::new(heap, base)),
            processors: processors.map(|facts| Processors::new(facts, base)),
            threads: threads.map(|facts| Threads::new(facts, base)),
            histograms: histograms.map(|facts| Histograms::new(facts, base)),
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
        let pid = self.process.id.pid;
        self.goroutines.forget();
        let mut steady = self.attempt()?;
        for _retry in 0..RETRIES {
            if steady.is_settled() {
                break;
            }
            self.look_up(&steady)?;
            steady = self.attempt()?;
        }
        let read_at = MonotonicNanos::now();
        self.process
            .recheck()
            .map_err(|reason| ReadError::Gone { pid, reason })?;
        Ok(self.publish(steady, read_at))
    }

    /// The last GC cycles as of the last reading, newest last, up to 256.
    #[must_use]
    pub fn history(&self) -> Vec<RingCycle> {
        self.history.cycles()
    }

    /// Copies everything; what was looked up before may be gone, and is forgotten then.
    fn attempt(&mut self) -> Result<Steady, ReadError> {
        match self.copy() {
            Err(ReadError::Unmapped { .. }) => {
                self.processors.iter_mut().for_each(Processors::forget);
                self.threads.iter_mut().for_each(Threads::forget);
                self.copy()?;
            }
            copied => copied?,
        }
        let processors = part(
            self.processors.as_ref(),
            Processors::is_whole,
            Processors::totals,
        );
        let heap = match &self.heap {
            None => Err(Absence::Unknown),
            Some(heap) => heap.totals().ok_or(Absence::Moving),
        };
        let free = processors.map(|totals| totals.free);
        Ok(Steady {
            gc: self.gc.is_stable(),
            threads: self.threads.as_ref().is_none_or(Threads::is_whole),
            goroutines: free.map_or(true, |free| self.goroutines.count(free)),
            processors,
            heap,
        })
    }

    /// One vectored read, in an order that shows whether something changed on the way: the number of
    /// GC cycles and the table of processors come first and last.
    fn copy(&mut self) -> Result<(), ReadError> {
        let (gc_first, gc_last) = self.gc.in_order();
        let (goroutines_first, goroutines_last) = self.goroutines.pieces();
        let (processors_first, processors_last) = match &mut self.processors {
            Some(processors) => processors.pieces(),
            None => (Vec::new(), Vec::new()),
        };
        let mut order: Vec<&mut Piece> = gc_first.into_iter().collect();
        order.extend(goroutines_first);
        order.extend(processors_first);
        order.extend(self.copies.pieces());
        order.extend(self.heap.iter_mut().flat_map(HeapCopy::pieces));
        order.extend(self.histograms.iter_mut().flat_map(Histograms::pieces));
        order.extend(self.threads.iter_mut().flat_map(Threads::pieces));
        order.extend(goroutines_last);
        order.extend(processors_last);
        order.extend(gc_last);
        memory::read(self.process.id.pid, &mut order)
    }

    /// Looks up again what is elsewhere now. What moves on while it is looked up is left for the next copy.
    fn look_up(&mut self, steady: &Steady) -> Result<(), ReadError> {
        let pid = self.process.id.pid;
        if let (Some(processors), Err(Absence::Moving)) = (&mut self.processors, steady.processors)
            && let Err(error) = processors.look_up(pid)
        {
            passing(error)?;
            processors.forget();
        }
        if let (Some(threads), false) = (&mut self.threads, steady.threads)
            && let Err(error) = threads.follow(pid)
        {
            passing(error)?;
            threads.forget();
        }
        Ok(())
    }

    /// Cycles since the last reading; the ring is looked at only when there are some.
    fn news(&mut self, is_stable: bool) -> RingNews {
        let known = self.history.last().map(|last| last.cycles);
        if !is_stable || known == Some(self.gc.cycles()) {
            return RingNews::default();
        }
        let news = self.history.advance(self.gc.copied());
        let cycles = self.history.cycles();
        self.recent = cycles.iter().map(|cycle| cycle.pause_ns).collect();
        news
    }

    fn publish(&mut self, steady: Steady, read_at: MonotonicNanos) -> RuntimeReading {
        let news = self.news(steady.gc);
        let first;
        let shown = match self.history.last() {
            Some(last) => last,
            // Not one copy was of one moment yet.
            None => {
                first = self.gc.copied();
                &first
            }
        };
        let complete = steady.is_whole();
        let view = View {
            minor: self.minor,
            copies: &self.copies,
            gc: shown,
            goroutines: steady.processors.and_then(|_| self.goroutines.median()),
            heap: steady.heap.as_ref().map_err(|absent| *absent),
            processors: steady.processors,
            threads: part(self.threads.as_ref(), |_| steady.threads, Threads::totals),
        };
        let numbers = Numbers::new(|figure: Figure| figure.of(&view));
        let (allocated, freed) = match steady.heap {
            Ok(heap) => (Some(heap.allocated), Some(heap.freed)),
            Err(_) => (None, None),
        };
        RuntimeReading {
            numbers,
            times: self
                .histograms
                .as_ref()
                .map(Histograms::counts)
                .unwrap_or_default(),
            gc_cycles: u64::from(shown.cycles),
            new_gc_cycles: news.cycles,
            gc_pauses_lost: news.lost,
            gc_pause_total_ns: shown.total_ns,
            recent_gc_pauses_ns: Arc::clone(&self.recent),
            complete,
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

impl Histograms {
    fn new(facts: &HistogramFacts, base: u64) -> Self {
        let piece = |(one, address): (&Distribution, &u64)| {
            (
                *one,
                Piece::new(base.wrapping_add(*address), facts.length()),
            )
        };
        Self {
            pieces: facts.places.iter().map(piece).collect(),
            facts: facts.clone(),
        }
    }

    fn pieces(&mut self) -> impl Iterator<Item = &mut Piece> {
        self.pieces.iter_mut().map(|(_, piece)| piece)
    }

    fn counts(&self) -> std::collections::BTreeMap<Distribution, TimeCounts> {
        let counts =
            |(one, piece): &(Distribution, Piece)| (*one, TimeCounts::read(&self.facts, piece));
        self.pieces.iter().map(counts).collect()
    }
}
