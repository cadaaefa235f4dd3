//! Threads for readings. A reading that does not come back costs its own thread, and no other reading.
//!
//! Reading another process's memory can block for as long as that process likes: its pages may lie in a
//! file system that does not answer, or behind a handler of its own (`userfaultfd`). Such a thread cannot
//! be interrupted, so after a deadline another one takes its place.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// Readings at the same time.
const THREADS: usize = 2;
/// Threads that may hang before no more take their place.
const MOST_HUNG: usize = 64;
/// What a reading needs of stack is far less.
const STACK_BYTES: usize = 256 << 10;

type Job = Box<dyn FnOnce() + Send>;

/// The threads and what waits for them. They end with it; one that hangs ends with the process.
pub(super) struct Pool(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    work: Condvar,
    deadline: Duration,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    /// Job -> when it began.
    running: HashMap<u64, Instant>,
    /// Jobs past their deadline, whose threads end when they come back.
    hung: HashSet<u64>,
    jobs: u64,
    closed: bool,
}

impl Pool {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub(super) fn start(deadline: Duration) -> io::Result<Self> {
        let shared = Shared {
            state: Mutex::default(),
            work: Condvar::new(),
            deadline,
        };
        let pool = Self(Arc::new(shared));
        for _ in 0..THREADS {
            pool.add_thread()?;
        }
        Ok(pool)
    }

    /// Queues a job; it runs when a thread is free.
    pub(super) fn submit(&self, job: impl FnOnce() + Send + 'static) {
        self.0.lock().waiting.push_back(Box::new(job));
        self.0.work.notify_one();
    }

    /// Gives up threads whose job is past its deadline, and replaces them; answers how many.
    pub(super) fn watch(&self, now: Instant) -> usize {
        let replaced = {
            let mut state = self.0.lock();
            let deadline = self.0.deadline;
            let is_late = |begun: &Instant| now.saturating_duration_since(*begun) > deadline;
            let late: Vec<u64> = state
                .running
                .iter()
                .filter(|(_, begun)| is_late(begun))
                .map(|(job, _)| *job)
                .take(MOST_HUNG.saturating_sub(state.hung.len()))
                .collect();
            for job in &late {
                state.running.remove(job);
                state.hung.insert(*job);
            }
            late.len()
        };
        for _ in 0..replaced {
            if let Err(error) = self.add_thread() {
                tracing::error!(%error, "no thread to read targets with");
            }
        }
        replaced
    }

    /// Whether a job runs or waits, so that [`Pool::watch`] must be called.
    pub(super) fn is_busy(&self) -> bool {
        let state = self.0.lock();
        !state.running.is_empty() || !state.waiting.is_empty()
    }

    fn add_thread(&self) -> io::Result<()> {
        let shared = Arc::clone(&self.0);
        thread::Builder::new()
            .name("golens-reader".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || shared.work())
            .map(drop)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.work.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs jobs until the pool is closed or this thread was given up.
    fn work(&self) {
        while let Some((number, job)) = self.next() {
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                tracing::error!("a reading of a target's runtime panicked");
            }
            let mut state = self.lock();
            if state.running.remove(&number).is_none() {
                state.hung.remove(&number);
                return;
            }
        }
    }

    /// Waits for a job.
    fn next(&self) -> Option<(u64, Job)> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(job) = state.waiting.pop_front() {
                state.jobs += 1;
                let number = state.jobs;
                state.running.insert(number, Instant::now());
                return Some((number, job));
            }
            state = self
                .work
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod hanging;

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const DEADLINE: Duration = Duration::from_millis(20);

    /// Waits for an answer far longer than it takes.
    fn soon<T>(answers: &mpsc::Receiver<T>) -> T {
        answers
            .recv_timeout(Duration::from_secs(20))
            .expect("an answer")
    }

    #[test]
    fn jobs_run_and_a_panic_ends_no_thread() {
        let pool = Pool::start(DEADLINE).expect("threads");
        let (tell, told) = mpsc::channel();
        for number in 0..10 {
            let tell = tell.clone();
            pool.submit(move || {
                tell.send(number).expect("heard");
                assert!(number % 2 == 0, "every other job panics");
            });
        }
        let mut all: Vec<i32> = (0..10).map(|_| soon(&told)).collect();
        all.sort_unstable();
        assert_eq!(all, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn threads_that_hang_are_replaced_and_come_back_to_nothing() {
        let pool = Pool::start(DEADLINE).expect("threads");
        let (began, begun) = mpsc::channel();
        let mut releases = Vec::new();
        let before = Instant::now();
        for _ in 0..THREADS {
            let (release, held) = mpsc::channel::<()>();
            let began = began.clone();
            releases.push(release);
            pool.submit(move || {
                began.send(()).expect("heard");
                held.recv().expect_err("held until the other end is gone");
            });
        }
        for _ in 0..THREADS {
            soon(&begun);
        }
        let (tell, told) = mpsc::channel();
        pool.submit(move || tell.send("read").expect("heard"));
        assert_eq!(pool.watch(before), 0, "they have time left");
        assert_eq!(pool.watch(Instant::now() + 2 * DEADLINE), THREADS);
        assert_eq!(soon(&told), "read", "by a thread in their place");
        assert_eq!(pool.watch(Instant::now() + 2 * DEADLINE), 0, "told once");
        drop(releases);
    }
}
