//! Threads for reading targets. A read that does not come back costs its own thread, and no other target.
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

/// Threads that may hang before no more take their place.
const MOST_HUNG: usize = 64;

type Job = Box<dyn FnOnce() + Send>;

/// The threads and what waits for them. They end with it; one that hangs ends with the process.
pub(super) struct Pool(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    work: Condvar,
    /// Jobs at the same time.
    threads: usize,
    deadline: Duration,
}

#[derive(Default)]
struct State {
    /// Threads that run jobs or wait for them; those that were given up do not count.
    threads: usize,
    waiting: VecDeque<Job>,
    /// Job -> when it began.
    running: HashMap<u64, Instant>,
    /// Jobs past their deadline, whose threads end when they come back.
    hung: HashSet<u64>,
    jobs: u64,
    /// What is wrong was said; said again when it was right in between.
    complained: bool,
    closed: bool,
}

impl Pool {
    /// Starts so many threads, for jobs that take less than `deadline`.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub(super) fn start(threads: usize, deadline: Duration) -> io::Result<Self> {
        let shared = Shared {
            state: Mutex::default(),
            work: Condvar::new(),
            threads,
            deadline,
        };
        let pool = Self(Arc::new(shared));
        pool.add_threads()?;
        Ok(pool)
    }

    /// Queues jobs; each runs when a thread is free. Threads are woken once for all of them.
    pub(super) fn submit<J: FnOnce() + Send + 'static>(&self, jobs: impl IntoIterator<Item = J>) {
        let jobs: Vec<Job> = jobs.into_iter().map(|job| Box::new(job) as Job).collect();
        let count = jobs.len();
        self.0.lock().waiting.extend(jobs);
        for _ in 0..count.min(self.0.threads) {
            self.0.work.notify_one();
        }
    }

    /// Gives up threads whose job is past its deadline, and replaces them; answers how many.
    ///
    /// Must be called again and again while there are jobs: a thread that the system refuses is asked for
    /// each time.
    pub(super) fn watch(&self, now: Instant) -> usize {
        let (given_up, is_full) = self.0.lock().give_up(now, self.0.deadline);
        let added = self.add_threads();
        let was_wrong = {
            let mut state = self.0.lock();
            std::mem::replace(&mut state.complained, is_full || added.is_err())
        };
        match added {
            _ if was_wrong => {}
            Err(error) => tracing::error!(%error, "too few threads to read targets with"),
            Ok(()) if is_full => tracing::error!(
                targets = MOST_HUNG,
                "so many targets do not let their memory be read that others are not read either"
            ),
            Ok(()) => {}
        }
        given_up
    }

    /// Whether a job runs or waits, so that [`Pool::watch`] must be called.
    pub(super) fn is_busy(&self) -> bool {
        let state = self.0.lock();
        !state.running.is_empty() || !state.waiting.is_empty()
    }

    /// Starts the threads that are missing.
    fn add_threads(&self) -> io::Result<()> {
        let mut state = self.0.lock();
        while state.threads < self.0.threads {
            let shared = Arc::clone(&self.0);
            thread::Builder::new()
                .name("golens-reader".to_owned())
                .spawn(move || shared.work())?;
            state.threads += 1;
        }
        Ok(())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.work.notify_all();
    }
}

impl State {
    /// Gives up the threads of jobs past their deadline: how many, and whether one more would be too many.
    fn give_up(&mut self, now: Instant, deadline: Duration) -> (usize, bool) {
        let is_late = |begun: &Instant| now.saturating_duration_since(*begun) > deadline;
        let late = self.running.iter().filter(|(_, begun)| is_late(begun));
        let mut late: Vec<u64> = late.map(|(job, _)| *job).collect();
        let room = MOST_HUNG.saturating_sub(self.hung.len());
        let is_full = late.len() > room;
        late.truncate(room);
        for job in &late {
            self.running.remove(job);
            self.hung.insert(*job);
        }
        self.threads = self.threads.saturating_sub(late.len());
        (late.len(), is_full)
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
                tracing::error!("a reading of a target panicked");
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

    const THREADS: usize = 2;
    const DEADLINE: Duration = Duration::from_millis(20);

    /// Waits for an answer far longer than it takes.
    fn soon<T>(answers: &mpsc::Receiver<T>) -> T {
        answers
            .recv_timeout(Duration::from_secs(20))
            .expect("an answer")
    }

    #[test]
    fn jobs_run_and_a_panic_ends_no_thread() {
        let pool = Pool::start(THREADS, DEADLINE).expect("threads");
        let (tell, told) = mpsc::channel();
        for number in 0..10 {
            let tell = tell.clone();
            pool.submit([move || {
                tell.send(number).expect("heard");
                assert!(number % 2 == 0, "every other job panics");
            }]);
        }
        let mut all: Vec<i32> = (0..10).map(|_| soon(&told)).collect();
        all.sort_unstable();
        assert_eq!(all, (0..10).collect::<Vec<_>>());
    }

    /// Jobs that run until they are dropped from here.
    struct Held(Vec<mpsc::Sender<()>>);

    /// Runs so many jobs that hang, and waits until all have begun while `meanwhile` is done.
    fn hold(pool: &Pool, jobs: usize, mut meanwhile: impl FnMut()) -> Held {
        let (began, begun) = mpsc::channel();
        let mut releases = Vec::new();
        for _ in 0..jobs {
            let (release, held) = mpsc::channel::<()>();
            let began = began.clone();
            releases.push(release);
            pool.submit([move || {
                began.send(()).expect("heard");
                held.recv().expect_err("held until the other end is gone");
            }]);
        }
        for _ in 0..jobs {
            soon(&begun);
            meanwhile();
        }
        Held(releases)
    }

    fn later() -> Instant {
        Instant::now() + 2 * DEADLINE
    }

    #[test]
    fn threads_that_hang_are_replaced_and_come_back_to_nothing() {
        let pool = Pool::start(THREADS, Duration::from_secs(60)).expect("threads");
        let later = || Instant::now() + Duration::from_secs(61);
        let held = hold(&pool, THREADS, || {});
        let (tell, told) = mpsc::channel();
        pool.submit([move || tell.send("read").expect("heard")]);
        assert_eq!(pool.watch(Instant::now()), 0, "they have time left");
        assert_eq!(pool.watch(later()), THREADS);
        assert_eq!(soon(&told), "read", "by a thread in their place");
        let patience = Instant::now() + Duration::from_secs(20);
        while pool.is_busy() {
            assert!(Instant::now() < patience, "its thread is free again");
            thread::yield_now();
        }
        assert_eq!(pool.watch(later()), 0, "told once");
        drop(held);
    }

    #[test]
    fn a_thread_that_was_refused_is_asked_for_again() {
        let pool = Pool::start(THREADS, DEADLINE).expect("threads");
        // As after a failure: one thread less than there should be.
        pool.0.lock().threads -= 1;
        assert_eq!(pool.watch(Instant::now()), 0);
        assert_eq!(pool.0.lock().threads, THREADS);
        drop(hold(&pool, THREADS + 1, || {}));
    }

    #[test]
    fn past_the_limit_nothing_takes_their_place_until_one_comes_back() {
        let pool = Pool::start(1, DEADLINE).expect("threads");
        let mut held = hold(&pool, MOST_HUNG + 1, || {
            pool.watch(later());
        });
        assert_eq!(pool.watch(later()), 0, "no more");
        assert!(pool.0.lock().complained);
        let (tell, told) = mpsc::channel();
        pool.submit([move || tell.send("read").expect("heard")]);
        held.0.remove(0);
        let patience = Instant::now() + Duration::from_secs(20);
        while pool.watch(later()) == 0 {
            assert!(Instant::now() < patience, "the one that came back");
            thread::yield_now();
        }
        assert_eq!(soon(&told), "read");
        assert!(!pool.0.lock().complained, "there is room again");
    }
}
