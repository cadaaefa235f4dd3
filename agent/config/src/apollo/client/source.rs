//! A namespace as a source of a document.

use std::{collections::BTreeMap, path::Path as FilePath, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::sync::Mutex;

use super::{
    super::{
        Board, DEFAULT_CLUSTER, Key, Release,
        release::{CONTENT, is_file},
    },
    http::{Answer, Client, Told},
};
use crate::{
    Content, Format, Kind, Outlet, Part, Reading, Secret, Source, SourceError, SourceId, Trust,
    Version,
};

/// Pause after the first error; it doubles up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Least time between two polls, whatever the server says.
const SPACING: Duration = Duration::from_millis(200);
/// Everything is compared this often, news or not: a lost notification is made up for.
const COMPARE: Duration = Duration::from_secs(300);

/// Which namespace to read, and as whom.
#[derive(Clone, Debug)]
pub struct ApolloSettings {
    /// Address of the config service: `https://apollo:8080`.
    pub address: String,
    /// The application.
    pub app: String,
    /// The cluster, usually `default`.
    pub cluster: String,
    /// The namespace.
    pub namespace: String,
    /// Data centre, if the server is to look there, too.
    pub data_center: String,
    /// Our address, for gray releases.
    pub ip: String,
    /// Our label, for gray releases.
    pub label: String,
    /// Access key of the application, if it has one.
    pub secret: Option<Secret>,
    /// How the server proves itself.
    pub trust: Trust,
}

impl ApolloSettings {
    /// The namespace of an application in the default cluster.
    #[must_use]
    pub fn new(address: &str, app: &str, namespace: &str) -> Self {
        Self {
            address: address.to_owned(),
            app: app.to_owned(),
            cluster: DEFAULT_CLUSTER.to_owned(),
            namespace: namespace.to_owned(),
            data_center: String::new(),
            ip: String::new(),
            label: String::new(),
            secret: None,
            trust: Trust::default(),
        }
    }
}

/// A namespace of Apollo. What it read last is kept on the [`Board`], if it is given one, so that clients of
/// this node read it while upstream is down, also after a restart.
pub struct ApolloSource {
    client: Client,
    settings: ApolloSettings,
    mirror: Option<(Arc<Board>, Key)>,
    held: Mutex<Option<(String, Reading)>>,
}

impl ApolloSource {
    /// A source; nothing is asked yet.
    ///
    /// # Errors
    /// When address, names or certificates cannot be used.
    pub fn new(settings: ApolloSettings, mirror: Option<Arc<Board>>) -> Result<Self, SourceError> {
        let unusable = |reason: String| SourceError {
            place: place(&settings),
            reason,
        };
        let key = Key::new(&settings.app, &settings.cluster, &settings.namespace);
        let key = key.ok_or_else(|| {
            unusable("application, cluster or namespace cannot be a name".to_owned())
        })?;
        let client = Client::new(settings.clone()).map_err(|error| unusable(error.to_string()))?;
        Ok(Self {
            client,
            settings,
            mirror: mirror.map(|board| (board, key)),
            held: Mutex::default(),
        })
    }

    fn failed(&self, reason: String) -> SourceError {
        SourceError {
            place: place(&self.settings),
            reason,
        }
    }

    async fn read_now(&self) -> Result<Reading, SourceError> {
        let mut held = self.held.lock().await;
        let release_key = held
            .as_ref()
            .map(|(key, _)| key.as_str())
            .unwrap_or_default();
        let answer = self.client.release(release_key).await;
        match answer.map_err(|reason| self.failed(reason))? {
            Answer::Unchanged => match held.as_ref() {
                Some((_, reading)) => Ok(reading.clone()),
                None => Err(self.failed("nothing changed since nothing was read".to_owned())),
            },
            Answer::None => {
                *held = None;
                self.forget().await?;
                Ok(Reading::Absent)
            }
            Answer::Release(told) => {
                let reading = Reading::Present(content(&self.settings.namespace, &told));
                self.copy(&told).await?;
                *held = Some((told.release_key, reading.clone()));
                Ok(reading)
            }
        }
    }

    /// Keeps the board as upstream is, for ever: for namespaces that only services of this node read.
    pub async fn mirror(&self) {
        let tell = |reading| {
            if let Err(error) = reading {
                tracing::warn!(%error, "upstream Apollo; clients get what was read before");
            }
        };
        self.follow(&tell).await;
    }

    async fn copy(&self, told: &Told) -> Result<(), SourceError> {
        let Some((board, key)) = &self.mirror else {
            return Ok(());
        };
        let release = Release::new(&told.release_key, told.configurations.clone());
        let published = board.publish(key.clone(), release).await;
        published.map_err(|error| self.failed(error.to_string()))
    }

    async fn forget(&self) -> Result<(), SourceError> {
        let Some((board, key)) = &self.mirror else {
            return Ok(());
        };
        let withdrawn = board.withdraw(key.clone()).await;
        withdrawn.map_err(|error| self.failed(error.to_string()))
    }

    /// Reads whenever Apollo tells of news, for ever. What it told of counts as seen only once it was read.
    async fn follow(&self, put: &(dyn Fn(Result<Reading, SourceError>) + Sync)) {
        let mut seen = -1;
        let mut pause = PAUSE;
        put(self.read_now().await);
        loop {
            let told = tokio::time::timeout(COMPARE, self.client.news(seen)).await;
            let (told, compare) = match told {
                Ok(Ok(None)) => (None, false),
                Ok(Ok(told)) => (told, true),
                Ok(Err(reason)) => {
                    put(Err(self.failed(reason)));
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    continue;
                }
                Err(_no_news) => (None, true),
            };
            if compare {
                let reading = self.read_now().await;
                let was_read = reading.is_ok();
                put(reading);
                if !was_read {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    continue;
                }
            }
            seen = told.unwrap_or(seen);
            pause = PAUSE;
            tokio::time::sleep(SPACING).await;
        }
    }
}

fn place(settings: &ApolloSettings) -> String {
    let ApolloSettings {
        address,
        app,
        cluster,
        namespace,
        ..
    } = settings;
    format!("{address} {app}/{cluster}/{namespace}")
}

/// A namespace that is a file is one part; properties are one part for each key.
fn content(namespace: &str, told: &Told) -> Content {
    let version = Version(told.release_key.clone());
    if is_file(namespace)
        && let Some(text) = told.configurations.get(CONTENT)
    {
        let part = Part {
            name: namespace.to_owned(),
            at: Vec::new(),
            format: file_format(namespace),
            bytes: text.as_bytes().into(),
        };
        return Content {
            version,
            parts: vec![part],
        };
    }
    Content {
        version,
        parts: properties(&told.configurations),
    }
}

fn properties(configurations: &BTreeMap<String, String>) -> Vec<Part> {
    let part = |(key, value): (&String, &String)| Part {
        name: key.clone(),
        at: key.split('.').map(str::to_owned).collect(),
        format: Format::Scalar,
        bytes: value.as_bytes().into(),
    };
    configurations.iter().map(part).collect()
}

fn file_format(namespace: &str) -> Format {
    let extension = FilePath::new(namespace).extension();
    match extension
        .and_then(|it| it.to_str())
        .map(str::to_lowercase)
        .as_deref()
    {
        Some("json") => Format::Json,
        Some("yaml" | "yml") => Format::Yaml,
        _ => Format::Text,
    }
}

impl Source for ApolloSource {
    fn id(&self) -> SourceId {
        SourceId {
            kind: Kind::Apollo,
            name: place(&self.settings),
        }
    }

    fn read(&self) -> BoxFuture<'_, Result<Reading, SourceError>> {
        self.read_now().boxed()
    }

    fn watch<'a>(&'a self, outlet: Outlet) -> BoxFuture<'a, ()> {
        async move { self.follow(&|reading| outlet.put(reading)).await }.boxed()
    }
}
