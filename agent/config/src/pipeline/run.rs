//! The task of one document.

use std::{sync::Arc, time::Instant};

use state::{WriteError, audit};
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, sleep_until, timeout},
};

use super::{
    Contents, Definition, Rejection,
    apply::Why,
    build::build,
    command::Order,
    layers::{Layers, News},
    watcher::Shared,
};
use crate::{
    Content, Happened, Published, SourceId,
    history::{self, Cause, Standing},
};

/// The task of one document, and what it knows.
pub(super) struct Run {
    pub(super) shared: Arc<Shared>,
    pub(super) definition: Definition,
    layers: Option<Layers>,
    /// The generation in force.
    pub(super) running: Option<Arc<Published>>,
    pub(super) standing: Standing,
    /// Number of the newest generation, in force or not.
    pub(super) newest: u64,
    /// Hash of content that is not tried again.
    pub(super) refused: Option<String>,
    /// Hash of content that waits for the pin to be taken away, once it was told.
    held: Option<String>,
    /// When the health window of the running generation ends.
    pub(super) proving: Option<Instant>,
    /// When to try again what failed for a reason outside of the content.
    retry: Option<Instant>,
}

impl Run {
    pub(super) fn new(shared: Arc<Shared>, definition: Definition) -> Self {
        Self {
            shared,
            definition,
            layers: None,
            running: None,
            standing: Standing::default(),
            newest: 0,
            refused: None,
            held: None,
            proving: None,
            retry: None,
        }
    }

    pub(super) async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Order>,
        started: oneshot::Sender<()>,
    ) {
        self.boot().await;
        // Who started it may be gone.
        let _was_heard = started.send(());
        loop {
            let (check, retry) = (self.next_check(), self.retry);
            tokio::select! {
                () = changed(&mut self.layers) => {
                    self.settle().await;
                    self.consider().await;
                }
                order = inbox.recv() => match order {
                    Some(order) => self.obey(order).await,
                    None => return,
                },
                () = at(check) => self.check_health().await,
                () = at(retry) => {
                    self.retry = None;
                    self.consider().await;
                }
            }
        }
    }

    /// Starts to read the sources and waits for each to say something, for a while.
    pub(super) async fn start_sources(&mut self, known: &[(SourceId, Content)]) {
        let layers = Layers::start(self.definition.ordered(), known);
        let limit = self.definition.timing.first_reading;
        if timeout(limit, layers.all_read()).await.is_err() {
            let document = &self.definition.id;
            tracing::warn!(%document, ?limit, "not all configuration sources answered in time");
        }
        self.layers = Some(layers);
        self.take();
    }

    /// Waits until the sources are quiet.
    async fn settle(&mut self) {
        let timing = self.definition.timing;
        let quiet = async {
            loop {
                tokio::select! {
                    () = changed(&mut self.layers) => {}
                    () = sleep(timing.quiet) => return,
                }
            }
        };
        // After the longest time it is read as it is.
        drop(timeout(timing.most, quiet).await);
    }

    /// Takes what the sources said, and tells which are lost or back.
    fn take(&mut self) {
        let Some(layers) = &mut self.layers else {
            return;
        };
        let id = &self.definition.id;
        for news in layers.take() {
            let what = match news {
                News::Lost(source, reason) => Happened::SourceLost { source, reason },
                News::Back(source) => Happened::SourceBack { source },
            };
            self.shared.tell(id, what);
        }
        let lost = layers.lost();
        self.shared.note(id, |status| status.lost = lost);
    }

    /// What the sources say now.
    pub(super) fn contents(&self) -> Contents {
        self.layers.as_ref().map_or_else(Vec::new, Layers::contents)
    }

    /// Takes what the sources say the whole way, unless it is in force, refused or held already.
    pub(super) async fn consider(&mut self) {
        self.take();
        let contents = self.contents();
        let hash = history::content_hash(&contents);
        let running = self.running.as_deref();
        if running.is_some_and(|running| history::content_hash(&running.layers) == hash) {
            // What was refused or held was withdrawn: should it come again, it is told again.
            self.refused = None;
            self.held = None;
            return;
        }
        if let Some(pinned) = self.standing.pin {
            if self.held.as_ref() != Some(&hash) {
                self.held = Some(hash);
                self.shared
                    .tell(&self.definition.id, Happened::Held { pinned });
            }
            return;
        }
        if self.refused.as_ref() == Some(&hash) {
            self.shared
                .note(&self.definition.id, |status| status.not_tried_again += 1);
            return;
        }
        if let Err(rejection) = self.try_out(contents).await {
            self.retry = match rejection.is_transient {
                true => Some(Instant::now() + self.definition.timing.retry),
                false => None,
            };
            self.refused = (!rejection.is_transient).then_some(hash);
            self.reject(rejection).await;
        }
    }

    async fn try_out(&mut self, contents: Contents) -> Result<(), Rejection> {
        let running = self.running.as_deref();
        let value = build(&self.definition, &self.shared.hooks, &contents, running).await?;
        let why = Why {
            cause: Cause::Change,
            actor: "config".to_owned(),
            reason: changes(running, &contents),
        };
        self.apply(value, contents, why).await?;
        self.refused = None;
        self.retry = None;
        Ok(())
    }

    /// Tells that a change was refused: as an event, a count, a log line and an entry of the audit log.
    pub(super) async fn reject(&mut self, rejection: Rejection) {
        let id = &self.definition.id;
        let Rejection {
            stage, problems, ..
        } = rejection;
        let event = audit::Event {
            actor: "config".to_owned(),
            action: "config.refuse".to_owned(),
            target: id.to_string(),
            outcome: format!("{}: {} mistakes", stage.as_str(), problems.len()),
        };
        let write = self.shared.store.write(|tx| {
            audit::append(tx, event)?;
            Ok::<_, WriteError>(())
        });
        if let Err(error) = write.await {
            tracing::error!(document = %id, %error, "cannot note a refusal in the audit log");
        }
        self.shared.note(id, |status| {
            status.last_change_ok = false;
            status.refused[stage as usize] += 1;
        });
        let running = self.running.as_ref().map(|running| running.generation);
        let rejected = Happened::Rejected {
            stage,
            problems,
            running,
        };
        self.shared.tell(id, rejected);
    }
}

/// The sources that differ from those of the running generation, with their versions.
fn changes(running: Option<&Published>, contents: &[(SourceId, Content)]) -> String {
    let before = running.map_or(&[][..], |running| &running.layers);
    let differs = |layer: &&(SourceId, Content)| !before.contains(layer);
    let named = contents
        .iter()
        .filter(differs)
        .map(|(source, content)| format!("{source} {}", content.version.0));
    named.collect::<Vec<_>>().join(", ")
}

async fn changed(layers: &mut Option<Layers>) {
    match layers {
        Some(layers) => layers.changed().await,
        None => std::future::pending().await,
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}
