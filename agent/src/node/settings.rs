//! golens' own settings while it runs: read from all sources, kept as generations, and followed.
//!
//! A change that cannot be used changes nothing. At the start, what worked last is used instead.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use ::config::{
    Archive, Component, ComponentError, DocumentId, FileSource, Handle, Happened, Hooks, Prepared,
    Problem, Reading, Source, Value, Watcher, read_once,
};
use futures_util::future::BoxFuture;
use state::{MemoryEngine, Options, Store};

use super::NodeError;
use crate::{
    cli::RunArgs,
    config::{self, Change, Config, ConfigError, ConfigWatcher, Live, LiveSender, Overrides},
    doctor::error_chain,
    documents::{self, Guard, Shelf},
    export::{self, Exporters},
    recent::Recent,
    telemetry::Telemetry,
};

/// The settings, and what follows them.
pub(super) struct Settings {
    live: Live,
    /// What all documents of this node are watched with, and for whom.
    shelf: Shelf,
    /// Ended when this is dropped.
    _watched: Handle,
}

impl Settings {
    /// Puts the settings in force: those that the sources say, or the last that worked.
    ///
    /// # Errors
    /// When there are none that can be used, with all mistakes.
    pub(super) async fn start(args: &RunArgs, parts: Parts) -> Result<Self, NodeError> {
        let (store, folder) = open(args).await?;
        let archive = Archive::new(Arc::clone(&store));
        let defaults = defaults(args);
        let file = args.config.as_deref();
        if let Some(file) = file {
            must_be_there(file, &archive).await?;
        }
        let mut sources = config::sources(&defaults, file);
        let first = first(&sources, &archive).await;
        sources.extend(further(&first)?);
        let guard = Guard::start(&first, &store).map_err(|error| {
            let path = "config.keys".parse().unwrap_or_default();
            mistake(path, "keys", error_chain(&error))
        })?;
        let guard = Arc::new(guard);
        let watcher = Watcher::new(Arc::clone(&store), guard.hooks.clone());
        let overrides = overrides(args);
        let live = Arc::default();
        let follower = Follower {
            overrides: overrides.clone(),
            live: Arc::clone(&live),
            guard: Arc::clone(&guard),
            parts,
        };
        let mut definition = config::definition(sources, overrides);
        definition.components.push(Arc::new(follower));
        let watched = watcher.watch(definition).await;
        match live.get() {
            Some(live) => Ok(Self {
                live: live.live(),
                shelf: Shelf {
                    watcher,
                    guard,
                    store,
                    folder,
                },
                _watched: watched,
            }),
            None => Err(ConfigError {
                problems: refused(&watcher),
            }
            .into()),
        }
    }

    /// What watches the settings, and whatever else is watched.
    pub(super) fn watcher(&self) -> &Watcher {
        &self.shelf.watcher
    }

    /// What other documents are watched with.
    pub(super) fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// The settings in effect.
    pub(super) fn live(&self) -> Live {
        self.live.clone()
    }
}

/// The durable state of documents. Whoever observes one command, or may write nowhere, has none.
async fn open(args: &RunArgs) -> Result<(Arc<Store>, Option<PathBuf>), NodeError> {
    let folder = match (&args.state, args.command.is_empty()) {
        (Some(folder), _) => Some(folder.clone()),
        (None, true) => Some(PathBuf::from(documents::STATE)),
        (None, false) => None,
    };
    if let Some(folder) = folder {
        let folder = folder.join(documents::FOLDER);
        let opened = folder.clone();
        match tokio::task::spawn_blocking(move || open_at(&opened)).await {
            Ok(Ok(store)) => return Ok((Arc::new(store), Some(folder))),
            Ok(Err(reason)) => tracing::warn!(
                reason,
                "settings are not kept: after a restart there is nothing to go back to"
            ),
            Err(error) => tracing::error!(%error, "opening the state of settings panicked"),
        }
    }
    let store = Store::on(
        Box::<MemoryEngine>::default(),
        Path::new("."),
        &Options::default(),
    );
    Ok((Arc::new(store.map_err(NodeError::State)?), None))
}

fn open_at(folder: &Path) -> Result<Store, String> {
    registry::standalone::make_folder(folder).map_err(|error| error_chain(&error))?;
    let opened = Store::open(&folder.join(documents::FILE), &Options::default());
    let opened = opened.map_err(|error| error_chain(&error))?;
    if let Some(recovery) = opened.recovery {
        tracing::error!(?recovery, "the state of settings was damaged");
    }
    Ok(opened.store)
}

/// What holds where nothing else is said. Whoever observes one command without further settings did not ask
/// for the node's registry.
fn defaults(args: &RunArgs) -> Config {
    let mut defaults = Config::default();
    defaults.registry.enabled = args.config.is_some() || args.command.is_empty();
    defaults
}

fn overrides(args: &RunArgs) -> Overrides {
    Overrides {
        listen: args.listen,
        cgroups: args.scope_cgroup.clone(),
        no_scope: !args.command.is_empty(),
    }
}

/// A file that is named and not there is a mistake, unless it was there before: then it was lost.
async fn must_be_there(file: &Path, archive: &Archive) -> Result<(), NodeError> {
    let source = FileSource::new(file);
    let reason = match source.read().await {
        Ok(Reading::Present(_)) => return Ok(()),
        Ok(Reading::Absent) => "is not there".to_owned(),
        Err(error) => error.reason,
    };
    let history = archive.generations(&DocumentId::own()).unwrap_or_default();
    let last = history.last();
    let mut layers = last.into_iter().flat_map(|generation| &generation.layers);
    if layers.any(|layer| layer.source == source.id()) {
        return Ok(());
    }
    let message = format!("{}: {reason}", file.display());
    Err(mistake(::config::Path::root(), "source", message).into())
}

fn mistake(path: ::config::Path, rule: &str, message: String) -> ConfigError {
    ConfigError {
        problems: vec![Problem::new(path, rule, message)],
    }
}

/// What the first sources say of further ones and of keys, before anything is opened. When they cannot be
/// read, what they said last; what is wrong with them is told when all are read.
async fn first(sources: &[Arc<dyn Source>], archive: &Archive) -> ConfigWatcher {
    let plain = ::config::Definition::new(DocumentId::own(), sources.to_vec());
    if let Ok(document) = read_once(&plain, &Hooks::default(), None).await {
        return Config::watcher(&document);
    }
    let id = DocumentId::own();
    let Ok(position) = archive.position(&id) else {
        return ConfigWatcher::default();
    };
    let last = archive.document(&id, position.serving).await;
    last.map_or_else(|_| ConfigWatcher::default(), |last| Config::watcher(&last))
}

/// The further sources that the first ones name.
fn further(first: &ConfigWatcher) -> Result<Vec<Arc<dyn Source>>, ConfigError> {
    let named = first.sources.iter().enumerate();
    let made = named.map(|(nth, settings)| {
        documents::source(settings, None).map_err(|error| {
            let path = format!("config.sources[{nth}]");
            mistake(
                path.parse().unwrap_or_default(),
                "source",
                error.to_string(),
            )
        })
    });
    made.collect()
}

/// Why there are no settings.
fn refused(watcher: &Watcher) -> Vec<Problem> {
    let events = watcher.events().since(0).into_iter();
    let told = events.filter_map(|event| match event.what {
        Happened::Rejected { problems, .. } => Some(problems),
        _ => None,
    });
    told.flatten().collect()
}

/// What is told of every change, and does not look by itself.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) exporters: Arc<Exporters>,
    pub(super) recent: Arc<Recent>,
    pub(super) telemetry: Arc<Telemetry>,
}

/// Takes over every generation of the settings that the running agent can follow. The first one decides how
/// it starts.
struct Follower {
    overrides: Overrides,
    /// None before the first.
    live: Arc<OnceLock<LiveSender>>,
    guard: Arc<Guard>,
    parts: Parts,
}

/// Settings that can be followed.
struct Ready {
    next: Arc<Config>,
    exporters: export::Next,
    live: Arc<OnceLock<LiveSender>>,
    guard: Arc<Guard>,
    parts: Parts,
}

impl Prepared for Ready {
    fn commit(self: Box<Self>) {
        self.parts.exporters.commit(self.exporters);
        self.parts.recent.limit(&self.next.recent);
        self.guard.set_roles(&self.next.config.access);
        let classic_names = self.next.metrics.classic_names;
        self.parts.telemetry.show_classic_names(classic_names);
        let first = Arc::clone(&self.next);
        self.live
            .get_or_init(|| LiveSender::new(first))
            .send(self.next);
    }
}

impl Follower {
    fn ready(&self, next: &Value) -> Result<Ready, Vec<ComponentError>> {
        let next = self.overrides.effective(next).map_err(|problems| {
            let errors = problems.into_iter().map(|problem| ComponentError {
                reason: problem.to_string(),
                path: problem.path,
            });
            errors.collect::<Vec<_>>()
        })?;
        let now = self.live.get().map(LiveSender::now);
        let refused = now
            .as_ref()
            .map_or_else(Vec::new, |now| refusals(now, &next));
        if !refused.is_empty() {
            return Err(refused);
        }
        let exporters = self.parts.exporters.prepare(now.as_deref(), &next);
        let exporters = exporters.map_err(|errors| {
            let errors = errors.iter().map(|error| ComponentError {
                path: error.setting().parse().unwrap_or_default(),
                reason: error_chain(error),
            });
            errors.collect::<Vec<_>>()
        })?;
        Ok(Ready {
            next: Arc::new(next),
            exporters,
            live: Arc::clone(&self.live),
            guard: Arc::clone(&self.guard),
            parts: self.parts.clone(),
        })
    }
}

/// Every changed setting that needs a restart.
fn refusals(now: &Config, next: &Config) -> Vec<ComponentError> {
    let refused = now
        .changes(next)
        .filter_map(|setting| match setting.change {
            Change::Live => None,
            Change::Restart(why) => Some(ComponentError {
                path: setting.path.parse().unwrap_or_default(),
                reason: format!("needs a restart of golens: {why}"),
            }),
        });
    refused.collect()
}

impl Component for Follower {
    fn name(&self) -> &'static str {
        "golens"
    }

    fn prepare<'a>(
        &'a self,
        _: Option<&'a Value>,
        next: &'a Value,
    ) -> BoxFuture<'a, Result<Box<dyn Prepared>, Vec<ComponentError>>> {
        // What runs decides, and not what ran before the start.
        Box::pin(async move { Ok(Box::new(self.ready(next)?) as Box<dyn Prepared>) })
    }
}
