//! The exporters that run, and how settings change them without a gap.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{Error, ExporterHandle, Fanout, Ready, Routes, loki, otlp};
use crate::{
    config::{Config, LogMode},
    correlate::Span,
    logs::LogRecord,
    telemetry::{ExporterMetrics, Telemetry},
};

/// An exporter that is given up may take this long to send what it holds.
const FLUSH: Duration = Duration::from_secs(5);

/// The exporters that run.
#[derive(Debug)]
pub struct Exporters {
    running: Mutex<Running>,
    fanout: Arc<Fanout>,
    telemetry: Arc<Telemetry>,
}

#[derive(Debug, Default)]
struct Running {
    otlp: Option<ExporterHandle<Arc<Span>>>,
    loki: Option<ExporterHandle<Arc<LogRecord>>>,
}

/// Exporters of other settings, which take no data yet.
#[derive(Debug)]
pub struct Next {
    otlp: Change<Arc<Span>>,
    loki: Change<Arc<LogRecord>>,
    mode: LogMode,
}

/// What becomes of one exporter.
#[derive(Debug)]
enum Change<T> {
    Stay,
    Become(Option<Ready<T>>),
}

impl Exporters {
    /// None yet; what they are to send comes through `fanout`.
    #[must_use]
    pub fn new(fanout: Arc<Fanout>, telemetry: Arc<Telemetry>) -> Self {
        Self {
            running: Mutex::default(),
            fanout,
            telemetry,
        }
    }

    /// Makes ready what `next` asks for, if it differs from `now`. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// Every exporter whose settings cannot work; nothing is changed then.
    pub fn prepare(&self, now: Option<&Config>, next: &Config) -> Result<Next, Vec<Error>> {
        let mut errors = Vec::new();
        let stays = now.is_some_and(|now| now.otlp == next.otlp);
        let otlp = change(stays, || otlp::ready(&next.otlp), &mut errors);
        // Which lines are sent is decided before they are queued.
        let stays = now.is_some_and(|now| {
            let mut now = now.loki.clone();
            now.mode = next.loki.mode;
            now == next.loki
        });
        let loki = change(stays, || loki::ready(&next.loki), &mut errors);
        match errors.is_empty() {
            true => Ok(Next {
                otlp,
                loki,
                mode: next.loki.mode,
            }),
            false => Err(errors),
        }
    }

    /// Takes over what is ready. What waits in a queue goes to the exporter that follows; an exporter without
    /// one sends what it holds, and ends.
    pub fn commit(&self, next: Next) {
        let mut running = self.lock();
        let own = self.telemetry.own();
        let otlp = apply(next.otlp, &mut running.otlp, || {
            own.exporter(otlp::EXPORTER)
        });
        let loki = apply(next.loki, &mut running.loki, || {
            own.exporter(loki::EXPORTER)
        });
        self.fanout.route(Routes {
            otlp: running.otlp.as_ref().map(ExporterHandle::sender),
            loki: running.loki.as_ref().map(ExporterHandle::sender),
            mode: next.mode,
        });
        // Only now, when nothing is put into their queues any more.
        tokio::spawn(async { tokio::join!(flush(otlp), flush(loki)) });
    }

    /// Sends what is queued, then stops; both at once, so that two dead back ends cost one deadline.
    pub async fn shutdown(&self) {
        let running = std::mem::take(&mut *self.lock());
        tokio::join!(flush(running.otlp), flush(running.loki));
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn change<T>(
    stays: bool,
    ready: impl FnOnce() -> Result<Option<Ready<T>>, Error>,
    errors: &mut Vec<Error>,
) -> Change<T> {
    if stays {
        return Change::Stay;
    }
    match ready() {
        Ok(ready) => Change::Become(ready),
        Err(error) => {
            errors.push(error);
            Change::Stay
        }
    }
}

/// Changes an exporter, and answers the one that is given up.
fn apply<T: Send + Sync + 'static>(
    change: Change<T>,
    running: &mut Option<ExporterHandle<T>>,
    metrics: impl FnOnce() -> ExporterMetrics,
) -> Option<ExporterHandle<T>> {
    let Change::Become(next) = change else {
        return None;
    };
    match (running.as_ref(), next) {
        (Some(running), Some(ready)) => running.replace(ready),
        (None, Some(ready)) => *running = Some(ExporterHandle::start(ready, metrics())),
        (_, None) => return running.take(),
    }
    None
}

async fn flush<T: Send + Sync + 'static>(exporter: Option<ExporterHandle<T>>) {
    if let Some(exporter) = exporter {
        exporter.shutdown(FLUSH).await;
    }
}
