//! What is copied of a target, in which order, and where in the copy each part is.
//!
//! ```text
//! number of cycles | variables that never move | processors and threads | what shows a change
//! ```
//!
//! The last part is what was copied early, once more: free goroutines and the table of processors, the global
//! parts of the number of goroutines, the end of the last GC cycle and the number of cycles.

use super::{
    RuntimeFacts,
    copies::Copies,
    gc::GcPieces,
    goroutines::Goroutines,
    heap::HeapCopy,
    histogram::Histograms,
    memory::{Copied, Place},
    processors::Processors,
    spans::Spans,
    threads::Threads,
};

/// Everything that is copied, and in which order.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) gc: GcPieces,
    pub(super) copies: Copies,
    pub(super) heap: Option<HeapCopy>,
    pub(super) histograms: Option<Histograms>,
    pub(super) processors: Option<Processors>,
    pub(super) threads: Option<Threads>,
    pub(super) goroutines: Goroutines,
    /// All places; so many of them never change.
    places: Vec<Place>,
    fixed: usize,
    bounds: Bounds,
}

/// Where in the copy the parts begin that follow each other.
#[derive(Clone, Copy, Debug, Default)]
struct Bounds {
    followed: usize,
    processors_again: usize,
    goroutines_again: usize,
    gc_again: usize,
}

/// A copy by its parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'b> {
    /// All of it; offsets of variables that never move count from here, and the number of cycles is first.
    pub(super) whole: Copied<'b>,
    /// Processors and threads.
    pub(super) followed: Copied<'b>,
    pub(super) processors_again: Copied<'b>,
    pub(super) goroutines_again: Copied<'b>,
    pub(super) gc_again: Copied<'b>,
}

impl Plan {
    /// Plans for a process that the binary of `facts` was loaded at `base` of.
    pub(super) fn new(facts: &RuntimeFacts, base: u64) -> Self {
        let spans = Spans::of(wanted(facts, base));
        let count = GcPieces::count(&facts.gc, base);
        let at = |address: u64| count.1 + spans.find(address);
        let processors =
            |facts| Processors::new(facts, base, at(Processors::wanted(facts, base).0));
        let threads = |facts| Threads::new(facts, at(Threads::wanted(facts, base).0));
        let cells = facts.cells(base).map(|(cell, place)| (cell, at(place.0)));
        let mut places = vec![count];
        places.extend(spans.places());
        let bounds = Bounds {
            followed: length(&places),
            ..Bounds::default()
        };
        let mut plan = Self {
            gc: GcPieces::new(&facts.gc, base, at),
            copies: Copies::new(cells),
            heap: facts
                .heap
                .as_ref()
                .map(|heap| HeapCopy::new(heap, facts.minor, base, at)),
            histograms: facts
                .histograms
                .as_ref()
                .map(|all| Histograms::new(all, base, at)),
            processors: facts.processors.as_ref().map(processors),
            threads: facts.threads.as_ref().map(threads),
            goroutines: Goroutines::new(facts, base),
            fixed: places.len(),
            places,
            bounds,
        };
        plan.arrange();
        plan
    }

    /// The places in the order in which they must be copied.
    pub(super) fn places(&self) -> &[Place] {
        &self.places
    }

    /// Takes a copy of [`Plan::places`] apart.
    pub(super) fn parts<'b>(&self, bytes: &'b [u8]) -> Parts<'b> {
        let whole = Copied(bytes);
        Parts {
            whole,
            followed: whole.from(self.bounds.followed),
            processors_again: whole.from(self.bounds.processors_again),
            goroutines_again: whole.from(self.bounds.goroutines_again),
            gc_again: whole.from(self.bounds.gc_again),
        }
    }

    /// Forgets what was found by following pointers: it was not readable.
    pub(super) fn forget(&mut self) {
        self.processors.iter_mut().for_each(Processors::forget);
        self.threads.iter_mut().for_each(Threads::forget);
        self.arrange();
    }

    /// To be called when the processors or threads are others.
    pub(super) fn arrange(&mut self) {
        self.places.truncate(self.fixed);
        let (places, bounds) = (&mut self.places, &mut self.bounds);
        let processors = self.processors.iter().flat_map(Processors::places);
        let threads = self.threads.iter().flat_map(Threads::places);
        let spans = Spans::of(processors.chain(threads));
        let at = |address| spans.find(address);
        self.processors.iter_mut().for_each(|all| all.arrange(at));
        self.threads.iter_mut().for_each(|all| all.arrange(at));
        places.extend(spans.places());
        bounds.processors_again = length(places);
        places.extend(self.processors.iter().flat_map(Processors::again));
        bounds.goroutines_again = length(places);
        places.extend(self.goroutines.again());
        bounds.gc_again = length(places);
        places.extend(self.gc.again());
    }
}

/// All variables that never move.
fn wanted(facts: &RuntimeFacts, base: u64) -> Vec<Place> {
    let mut wanted: Vec<Place> = facts.cells(base).map(|(_, place)| place).collect();
    wanted.extend(GcPieces::wanted(&facts.gc, base));
    let heap = facts.heap.iter();
    wanted.extend(heap.flat_map(|heap| HeapCopy::wanted(heap, base)));
    let histograms = facts.histograms.iter();
    wanted.extend(histograms.flat_map(|all| Histograms::wanted(all, base)));
    let processors = facts.processors.iter();
    wanted.extend(processors.map(|facts| Processors::wanted(facts, base)));
    let threads = facts.threads.iter();
    wanted.extend(threads.map(|facts| Threads::wanted(facts, base)));
    wanted
}

fn length(places: &[Place]) -> usize {
    places.iter().map(|(_, length)| length).sum()
}
