//! golens' own settings while it runs: read from all sources, kept as generations, and followed.
//!
//! A change that cannot be used changes nothing. At the start, what worked last is used instead.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use ::config::{
    Component, ComponentError, DocumentId, FileSource, Handle, Happened, Hooks, Prepared, Problem,
    Reading, Source, Value, Watcher, read_once,
};
use futures_util::future::BoxFuture;
use state::{MemoryEngine, Options, Store};
use tokio::sync::watch;

use super::NodeError;
use crate::{
    cli::RunArgs,
    config::{self, Change, Config, ConfigError, Overrides},
    doctor::error_chain,
    documents,
};

/// Where state is kept unless something else is said.
const FOLDER: &str = "/var/lib/golens";
/// The file in the folder `config` of it.
const FILE: &str = "state.redb";

/// The settings, and what follows them.
pub(super) struct Settings {
    current: Current,
    /// Ended when this is dropped.
    _watched: Handle,
}

impl Settings {
    /// Puts the settings in force: those that the sources say, or the last that worked.
    ///
    /// # Errors
    /// When there are none that can be used, with all mistakes.
    pub(super) async fn start(args: &RunArgs) -> Result<Self, NodeError> {
        let watcher = Watcher::new(open(args).await?, Hooks::default());
        let defaults = defaults(args);
        let file = args.config.as_deref();
        if let Some(file) = file {
            must_be_there(file, &watcher).await?;
        }
        let mut sources = config::sources(&defaults, file);
        sources.extend(further(&sources).await?);
        let overrides = overrides(args);
        let current = Current::default();
        let follower = Follower {
            overrides: overrides.clone(),
            current: Arc::clone(&current),
        };
        let mut definition = config::definition(sources, overrides);
        definition.components.push(Arc::new(follower));
        let watched = watcher.watch(definition).await;
        if current.borrow().is_none() {
            let problems = refused(&watcher);
            return Err(ConfigError { problems }.into());
        }
        Ok(Self {
            current,
            _watched: watched,
        })
    }

    /// The settings in effect.
    pub(super) fn current(&self) -> Arc<Config> {
        // There are some since the start.
        self.current.borrow().clone().unwrap_or_default()
    }
}

/// The durable state of documents. Whoever observes one command, or may write nowhere, has none.
async fn open(args: &RunArgs) -> Result<Arc<Store>, NodeError> {
    let folder = match (&args.state, args.command.is_empty()) {
        (Some(folder), _) => Some(folder.clone()),
        (None, true) => Some(PathBuf::from(FOLDER)),
        (None, false) => None,
    };
    if let Some(folder) = folder {
        let folder = folder.join("config");
        match tokio::task::spawn_blocking(move || open_at(&folder)).await {
            Ok(Ok(store)) => return Ok(Arc::new(store)),
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
    Ok(Arc::new(store.map_err(NodeError::State)?))
}

fn open_at(folder: &Path) -> Result<Store, String> {
    registry::standalone::make_folder(folder).map_err(|error| error_chain(&error))?;
    let opened = Store::open(&folder.join(FILE), &Options::default());
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
async fn must_be_there(file: &Path, watcher: &Watcher) -> Result<(), NodeError> {
    let source = FileSource::new(file);
    let reason = match source.read().await {
        Ok(Reading::Present(_)) => return Ok(()),
        Ok(Reading::Absent) => "is not there".to_owned(),
        Err(error) => error.reason,
    };
    let history = watcher.history(&DocumentId::own()).unwrap_or_default();
    let last = history.last();
    let mut layers = last.into_iter().flat_map(|generation| &generation.layers);
    if layers.any(|layer| layer.source == source.id()) {
        return Ok(());
    }
    let message = format!("{}: {reason}", file.display());
    let problem = Problem::new(::config::Path::root(), "source", message);
    Err(ConfigError {
        problems: vec![problem],
    }
    .into())
}

/// The further sources that the first ones name. Of those that cannot be read, nothing is known yet; what is
/// wrong with them is told when all are read.
async fn further(sources: &[Arc<dyn Source>]) -> Result<Vec<Arc<dyn Source>>, NodeError> {
    let plain = ::config::Definition::new(DocumentId::own(), sources.to_vec());
    let Ok(document) = read_once(&plain, &Hooks::default(), None).await else {
        return Ok(Vec::new());
    };
    let named = Config::watcher(&document).sources;
    let mut further = Vec::new();
    for (nth, settings) in named.iter().enumerate() {
        let made = documents::source(settings, None).map_err(|error| {
            let path = format!("config.sources[{nth}]");
            let path = path.parse().unwrap_or_default();
            let problems = vec![Problem::new(path, "source", error.to_string())];
            ConfigError { problems }
        });
        further.push(made?);
    }
    Ok(further)
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

/// The settings in effect; none before the first.
type Current = Arc<watch::Sender<Option<Arc<Config>>>>;

/// Takes over every generation of the settings that the running agent can follow.
struct Follower {
    overrides: Overrides,
    current: Current,
}

/// Settings that can be followed.
struct Ready {
    next: Arc<Config>,
    current: Current,
}

impl Prepared for Ready {
    fn commit(self: Box<Self>) {
        self.current.send_replace(Some(self.next));
    }
}

impl Follower {
    fn ready(&self, next: &Value) -> Result<Arc<Config>, Vec<ComponentError>> {
        let next = self.overrides.effective(next).map_err(|problems| {
            let errors = problems.into_iter().map(|problem| ComponentError {
                reason: problem.to_string(),
                path: problem.path,
            });
            errors.collect::<Vec<_>>()
        })?;
        let Some(current) = self.current.borrow().clone() else {
            return Ok(Arc::new(next));
        };
        let refused = current
            .changes(&next)
            .filter_map(|setting| match setting.change {
                Change::Live => None,
                Change::Restart(why) => Some(ComponentError {
                    path: setting.path.parse().unwrap_or_default(),
                    reason: format!("needs a restart of golens: {why}"),
                }),
            });
        let refused: Vec<_> = refused.collect();
        match refused.is_empty() {
            true => Ok(Arc::new(next)),
            false => Err(refused),
        }
    }
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
        Box::pin(async move {
            let ready = Ready {
                next: self.ready(next)?,
                current: Arc::clone(&self.current),
            };
            Ok(Box::new(ready) as Box<dyn Prepared>)
        })
    }
}
