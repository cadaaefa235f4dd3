//! Where a document's layers come from.

mod backoff;
mod consul;
mod etcd;
mod file;
mod fixed;
mod keys;
mod outlet;

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::Path;

pub use consul::{ConsulSettings, ConsulSource};
pub use etcd::{EtcdSettings, EtcdSource, EtcdUser};
pub use file::FileSource;
pub use fixed::FixedSource;
pub use keys::Keys;
pub use outlet::Outlet;
pub(crate) use outlet::{Inlet, channel};

/// What a source is, in the default order of precedence: a later one wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Built in.
    Default,
    /// A file, or a folder of them.
    File,
    /// Keys in etcd.
    Etcd,
    /// Keys in a store with Consul's API.
    Consul,
    /// A namespace of Apollo.
    Apollo,
    /// Environment variables.
    Env,
}

impl Kind {
    /// The default precedence, lowest first.
    pub const ORDER: [Self; 6] = [
        Self::Default,
        Self::File,
        Self::Etcd,
        Self::Consul,
        Self::Apollo,
        Self::Env,
    ];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::File => "file",
            Self::Etcd => "etcd",
            Self::Consul => "consul",
            Self::Apollo => "apollo",
            Self::Env => "env",
        })
    }
}

/// Which source of a document it is. Among sources of one kind, those that were named later win.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SourceId {
    /// What it is.
    pub kind: Kind,
    /// Its name among the sources of the document: a path, a prefix, an address.
    pub name: String,
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// Which version of its content a source has: a release key, a revision, the name of a ConfigMap's folder,
/// the beginning of a hash. For people; what changed is decided by the content.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub String);

/// How the bytes of a part are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// YAML 1.2, one document.
    Yaml,
    /// JSON.
    Json,
    /// TOML 1.0.
    Toml,
    /// One value as YAML would read it when it stood alone: `8080` is a number, `true` is true.
    Scalar,
    /// One text, as it is.
    Text,
}

/// A piece of a layer: a file, a key, a variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The file, key or variable.
    pub name: String,
    /// Where in the document it belongs; the root for a whole file.
    pub at: Vec<String>,
    /// How to read it.
    pub format: Format,
    /// Its bytes, as they were read.
    #[serde(skip)]
    pub bytes: Arc<[u8]>,
}

impl Part {
    /// Where in the document it belongs.
    #[must_use]
    pub fn path(&self) -> Path {
        self.at.iter().cloned().map(crate::Step::Key).collect()
    }
}

/// One version of a source's content: all of it was read together. Later parts win over earlier ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Its version.
    pub version: Version,
    /// Its parts.
    pub parts: Vec<Part>,
}

/// What a source says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// There is content.
    Present(Content),
    /// There is nothing: the file was removed, the key deleted. What was read before stays in force.
    Absent,
}

/// Why a source could not be read. What was read before stays in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct SourceError {
    /// The file, key or address.
    pub place: String,
    /// Why.
    pub reason: String,
}

/// A place that one layer of a document comes from.
pub trait Source: Send + Sync + 'static {
    /// Which source it is.
    fn id(&self) -> SourceId;

    /// Reads what is there now, once.
    fn read(&self) -> BoxFuture<'_, Result<Reading, SourceError>>;

    /// Reads, and reads again whenever there may be news, until it is dropped. Equal readings may be
    /// handed over again: the pipeline compares contents. It waits by itself before it tries again after
    /// an error.
    fn watch<'a>(&'a self, outlet: Outlet) -> BoxFuture<'a, ()>;
}
