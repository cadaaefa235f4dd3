//! Reads the Go runtime of every target once per interval, and sooner where the garbage collector is
//! so busy that its record of 256 pauses would go round in between.

mod readable;

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

pub(super) use self::readable::Readable;
use super::{pool::Pool, target::Table};
use crate::{config, discovery::matches, telemetry::Telemetry};

/// Readings at the same time.
const THREADS: usize = 2;
/// A reading takes microseconds; one that takes this long waits for something that may never come.
const DEADLINE: Duration = Duration::from_millis(100);
/// How long targets that came meanwhile may stay unseen; their first reading was taken when they came.
const LOOK_AROUND: Duration = Duration::from_millis(500);

/// GC cycles after which a target is read before its time.
const EARLY_CYCLES: u32 = 96;
/// Processes whose cycles are remembered; past it the memory starts anew.
const REMEMBERED: usize = 4_096;
/// Early readings that may wait.
pub(super) const EARLY_READINGS: usize = 256;

/// Watches how fast targets collect, and asks for readings in time.
pub(super) struct GcPace {
    /// Process id -> cycle at the last reading that was asked for.
    asked: Mutex<HashMap<u32, u32>>,
    early: mpsc::Sender<u32>,
}

impl GcPace {
    pub(super) fn new(early: mpsc::Sender<u32>) -> Self {
        Self {
            asked: Mutex::default(),
            early,
        }
    }

    /// Takes note of a stop of the world in the given GC cycle, 0 when that is not known.
    pub(super) fn stopped(&self, pid: u32, cycle: u32) {
        if cycle == 0 {
            return;
        }
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.len() >= REMEMBERED {
            asked.clear();
        }
        let last = asked.entry(pid).or_insert(cycle);
        // A smaller number is another process under the same id.
        let passed = cycle.checked_sub(*last).unwrap_or(EARLY_CYCLES);
        if passed >= EARLY_CYCLES && self.early.try_send(pid).is_ok() {
            *last = cycle;
        }
    }
}

/// Reads targets, each on a thread that it may hold as long as it likes.
pub(super) struct Readers {
    pool: Pool,
    telemetry: Arc<Telemetry>,
}

impl Readers {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub(super) fn start(telemetry: Arc<Telemetry>) -> io::Result<Self> {
        Ok(Self {
            pool: Pool::start(THREADS, DEADLINE)?,
            telemetry,
        })
    }

    /// Has targets read as soon as a thread is free; those whose last reading still runs are left out.
    pub(super) fn read(&self, targets: impl IntoIterator<Item = Arc<Readable>>) {
        let reading = |target: Arc<Readable>| {
            let Some(claim) = target.claim() else {
                self.telemetry.own().reading("skipped");
                return None;
            };
            let telemetry = Arc::clone(&self.telemetry);
            Some(move || target.read(&telemetry, claim))
        };
        self.pool.submit(targets.into_iter().filter_map(reading));
    }

    fn watch(&self) {
        for _ in 0..self.pool.watch(Instant::now()) {
            self.telemetry.own().reading("hung");
        }
    }
}

/// The interval of one target: that of the first rule that fits, else the one for all.
pub(super) fn interval(settings: &config::Runtime, service: &str, executable: &str) -> Duration {
    let fits = |patterns: &[String], text: &str| {
        patterns.is_empty() || patterns.iter().any(|pattern| matches(pattern, text))
    };
    let mut rules = settings.rules.iter();
    let rule =
        rules.find(|rule| fits(&rule.services, service) && fits(&rule.executables, executable));
    rule.map_or(settings.interval, |rule| rule.interval).0
}

/// Reads each target at its own interval, and single ones when asked to.
pub(super) async fn run(readers: Arc<Readers>, table: Arc<Table>, mut early: mpsc::Receiver<u32>) {
    loop {
        let now = Instant::now();
        let mut wake = now + LOOK_AROUND;
        let mut targets = table.readable();
        targets.retain(|target| {
            let is_due = target.is_due(now);
            wake = wake.min(target.due());
            is_due
        });
        readers.read(targets);
        if readers.pool.is_busy() {
            wake = wake.min(now + DEADLINE);
        }
        let asked = asked_until(wake, &mut early).await;
        readers.read(asked.and_then(|pid| table.get(pid)?.reader.clone()));
        readers.watch();
    }
}

/// The process that somebody asks for until then. When nobody is left who could ask, the time still passes.
async fn asked_until(wake: Instant, early: &mut mpsc::Receiver<u32>) -> Option<u32> {
    tokio::select! {
        () = tokio::time::sleep_until(wake.into()) => None,
        Some(pid) = early.recv() => Some(pid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_anybody_to_ask_readers_still_sleep() {
        let wake = Instant::now() + Duration::from_secs(3_600);
        let (early, mut asked) = mpsc::channel(1);
        early.try_send(7).expect("room");
        assert_eq!(asked_until(wake, &mut asked).await, Some(7));
        drop(early);
        tokio::select! {
            biased;
            asked = asked_until(wake, &mut asked) => panic!("{asked:?} before its time"),
            () = tokio::task::yield_now() => {}
        }
    }

    #[test]
    fn a_busy_collector_is_read_before_its_record_goes_round() {
        let (early, mut asked) = mpsc::channel(EARLY_READINGS);
        let pace = GcPace::new(early);
        for cycle in 1..=300 {
            pace.stopped(7, cycle);
        }
        let mut readings = 0;
        while asked.try_recv() == Ok(7) {
            readings += 1;
        }
        assert_eq!(readings, 3);
        pace.stopped(7, 0);
        assert!(asked.try_recv().is_err());
    }

    #[test]
    fn the_first_rule_that_fits_gives_the_interval() {
        let rule = |services: &[&str], executables: &[&str], millis| config::RuntimeRule {
            services: services.iter().map(ToString::to_string).collect(),
            executables: executables.iter().map(ToString::to_string).collect(),
            interval: config::Interval(Duration::from_millis(millis)),
        };
        let settings = config::Runtime {
            rules: vec![
                rule(&["shop-*"], &["/srv/*"], 100),
                rule(&["shop-*"], &[], 200),
            ],
            ..config::Runtime::default()
        };
        let of = |service, executable| interval(&settings, service, executable).as_millis();
        assert_eq!(of("shop-cart", "/srv/cart"), 100);
        assert_eq!(of("shop-cart", "/opt/cart"), 200);
        assert_eq!(of("cart", "/srv/cart"), 10_000);
    }
}
