//! One target's reader.

use std::sync::Arc;

use super::{
    ReadError, RingCycle, RuntimeFacts, RuntimeReading,
    gc::{GcHistory, GcPieces, RingNews},
    goroutines::Goroutines,
    memory::{self, Piece},
    pacer::PacerPiece,
};
use crate::{clock::MonotonicNanos, discovery::Process};

/// How often a copy is taken again when a GC cycle ended in the middle of it.
const RETRIES: usize = 2;

/// Reads one process; what to copy from where is worked out once.
#[derive(Debug)]
pub struct Reader {
    process: Arc<Process>,
    gc: GcPieces,
    pacer: Option<PacerPiece>,
    gomaxprocs: Option<Piece>,
    goroutines: Option<Goroutines>,
    history: GcHistory,
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
            gc: GcPieces::new(&facts.gc, base),
            pacer: facts
                .pacer
                .as_ref()
                .map(|pacer| PacerPiece::new(pacer, base)),
            gomaxprocs: facts
                .gomaxprocs
                .map(|address| Piece::new(base.wrapping_add(address), 4)),
            goroutines: facts
                .goroutines
                .as_ref()
                .map(|goroutines| Goroutines::new(pid, goroutines, base)),
            history: GcHistory::default(),
            process,
        })
    }

    /// Takes a reading; nothing of it is kept when the process went away meanwhile.
    ///
    /// # Errors
    /// `Gone` when the process has ended or runs another program: drop the reader then.
    pub fn read(&mut self) -> Result<RuntimeReading, ReadError> {
        let pid = self.process.id.pid;
        let mut stable = false;
        for _attempt in 0..=RETRIES {
            self.copy()?;
            stable = self.gc.copied().stable;
            if stable {
                break;
            }
        }
        let read_at = MonotonicNanos::now();
        let goroutines = match &mut self.goroutines {
            Some(goroutines) => goroutines.count()?,
            None => None,
        };
        self.process
            .recheck()
            .map_err(|reason| ReadError::Gone { pid, reason })?;
        let counted = self.goroutines.is_none() || goroutines.is_some();
        Ok(self.publish(stable, counted, goroutines, read_at))
    }

    /// The last GC cycles as of the last reading, newest last, up to 256.
    #[must_use]
    pub fn history(&self) -> Vec<RingCycle> {
        self.history.cycles()
    }

    fn copy(&mut self) -> Result<(), ReadError> {
        let (first, last) = self.gc.in_order();
        let mut order: Vec<&mut Piece> = first.into_iter().collect();
        order.extend(self.pacer.as_mut().map(|pacer| &mut pacer.piece));
        order.extend(self.gomaxprocs.as_mut());
        order.extend(last);
        memory::read(self.process.id.pid, &mut order)
    }

    fn publish(
        &mut self,
        stable: bool,
        counted: bool,
        goroutines: Option<u64>,
        read_at: MonotonicNanos,
    ) -> RuntimeReading {
        let copy = self.gc.copied();
        let news = if stable {
            self.history.advance(copy.clone())
        } else {
            RingNews::default()
        };
        let shown = self.history.last().unwrap_or(&copy);
        RuntimeReading {
            goroutines,
            gc_cycles: u64::from(shown.cycles),
            new_gc_cycles: news.cycles,
            gc_pauses_lost: news.lost,
            gc_pause_total_ns: shown.total_ns,
            heap_live_bytes: self.pacer.as_ref().map(PacerPiece::live_bytes),
            heap_goal_bytes: self.pacer.as_ref().and_then(PacerPiece::goal_bytes),
            gomaxprocs: self.gomaxprocs.as_ref().map(|piece| piece.u32_at(0)),
            complete: stable && counted,
            read_at,
        }
    }
}
