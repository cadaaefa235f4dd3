//! Documents of the node's services, and further sources of golens' own settings.

use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf};

use ::config::DocumentId;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AccessSettings, KeySettings, Problem, Secret, TlsFiles};

/// The config watcher: documents that programs of this node read from golens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ConfigWatcher {
    /// Addresses of documents over HTTP: `127.0.0.1:8510` or `unix:///run/golens/config.sock`. Nothing
    /// listens before there are documents.
    pub http: Vec<String>,
    /// The same with encryption.
    pub https: Vec<SocketAddr>,
    /// Addresses of documents over gRPC.
    pub grpc: Vec<String>,
    /// The same with encryption.
    pub grpc_tls: Vec<SocketAddr>,
    /// Addresses for clients of Apollo.
    pub apollo: Vec<String>,
    /// The same with encryption.
    pub apollo_tls: Vec<SocketAddr>,
    /// Keys that applications of Apollo sign their requests with. One without a key need not sign; one
    /// with several may use any of them.
    pub apollo_keys: Vec<ApolloKey>,
    /// Certificates of the encrypted addresses.
    pub tls: TlsFiles,
    /// Which keys open sealed values (`ENC[...]`); without them, such values stay as they are.
    pub keys: Option<KeySettings>,
    /// Who may see and change documents.
    pub access: AccessSettings,
    /// Where golens' own settings come from beside the file, the environment and the command line. Read from
    /// the file that golens is started with, and once.
    pub sources: Vec<DocumentSource>,
    /// The documents.
    pub documents: Vec<Document>,
}

impl Default for ConfigWatcher {
    fn default() -> Self {
        let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port)).to_string();
        Self {
            http: vec![loopback(8510)],
            https: Vec::new(),
            grpc: vec![loopback(8512)],
            grpc_tls: Vec::new(),
            apollo: vec![loopback(8511)],
            apollo_tls: Vec::new(),
            apollo_keys: Vec::new(),
            tls: TlsFiles::default(),
            keys: None,
            access: AccessSettings::default(),
            sources: Vec::new(),
            documents: Vec::new(),
        }
    }
}

impl ConfigWatcher {
    /// Every value that cannot work.
    pub(crate) fn validate(&self) -> Vec<Problem> {
        let mut problems = self.access.validate();
        problems.extend(self.keys.as_ref().and_then(KeySettings::validate));
        problems.extend(
            crate::documents::endpoints(self)
                .err()
                .into_iter()
                .flatten(),
        );
        problems.extend(self.names());
        for (at, key) in self.apollo_keys.iter().enumerate() {
            if key.app.is_empty() || key.secret.expose().is_empty() {
                let path = format!("config.apollo_keys[{at}]");
                problems.push(Problem::new(
                    path,
                    "needs an application and its key, neither of them empty",
                ));
            }
        }
        problems
    }

    /// Names that no document can have, or that two have.
    fn names(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut seen = BTreeSet::from([DocumentId::own()]);
        for (at, document) in self.documents.iter().enumerate() {
            let path = format!("config.documents[{at}]");
            match DocumentId::new(&document.namespace, &document.name) {
                Err(error) => problems.push(Problem::new(path, error.to_string())),
                Ok(id) if !seen.insert(id.clone()) => {
                    problems.push(Problem::new(path, format!("{id} is there already")));
                }
                Ok(_) => {}
            }
        }
        problems
    }
}

/// A document: what its sources say, merged, checked, and served as one version after the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// What roles are about, such as `prod-shop`. Apollo's clients name it as their application.
    pub namespace: String,
    /// Its name in the namespace.
    pub name: String,
    /// Where it comes from. Among sources of one kind, later ones win.
    pub sources: Vec<DocumentSource>,
    /// Kinds of sources, lowest precedence first.
    #[serde(default = "SourceKind::usual")]
    pub precedence: Vec<SourceKind>,
    /// JSON Schema 2020-12 that it must fit, as JSON, YAML or TOML.
    #[serde(default)]
    pub schema: Option<PathBuf>,
    /// Whether it says a version of its own that must rise.
    #[serde(default)]
    pub version: Option<DocumentVersion>,
}

/// A place that a layer of a document comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DocumentSource {
    /// A file, or a folder such as a mounted ConfigMap, whose files are merged in the order of their names.
    File(PathBuf),
    /// The variables of golens' own environment that begin so: of `SHOP_`, `SHOP_SERVER__PORT` is `server.port`.
    Environment(String),
    /// Keys in etcd.
    Etcd(EtcdKeys),
    /// Keys in a store with Consul's API.
    Consul(ConsulKeys),
    /// A namespace of Apollo.
    Apollo(ApolloNamespace),
}

/// Keys in etcd: one that is a document, or a folder whose keys are values and documents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EtcdKeys {
    /// Members of the cluster, such as `https://10.0.0.5:2379`; they are tried in turn.
    pub endpoints: Vec<String>,
    /// `config/shop.yaml` is one key with a whole document; `config/shop/` is a folder, in which
    /// `config/shop/server/port` is `server.port`.
    pub keys: String,
    /// User, if it asks for one.
    #[serde(default)]
    pub user: Option<String>,
    /// The user's password.
    #[serde(default)]
    pub password: Option<Secret>,
    /// Authorities that its certificate is checked by, PEM; those of the system without.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Certificate to show, PEM.
    #[serde(default)]
    pub cert: Option<PathBuf>,
    /// Private key of the certificate, PEM.
    #[serde(default)]
    pub key: Option<PathBuf>,
}

/// Keys in a store with Consul's API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsulKeys {
    /// Address of an agent or server: `http://127.0.0.1:8500`.
    pub address: String,
    /// As in etcd: a key with a whole document, or a folder.
    pub keys: String,
    /// Data centre, when it is not the server's own.
    #[serde(default)]
    pub data_center: String,
    /// Token, if it asks for one.
    #[serde(default)]
    pub token: Option<Secret>,
    /// Authorities that its certificate is checked by, PEM; those of the system without.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Certificate to show, PEM.
    #[serde(default)]
    pub cert: Option<PathBuf>,
    /// Private key of the certificate, PEM.
    #[serde(default)]
    pub key: Option<PathBuf>,
}

/// A namespace of an application in Apollo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApolloNamespace {
    /// Address of the config service: `http://apollo:8080`.
    pub address: String,
    /// The application.
    pub app: String,
    /// The cluster.
    #[serde(default = "default_cluster")]
    pub cluster: String,
    /// The namespace: `application` has settings by key, `shop.yaml` is a file.
    pub namespace: String,
    /// Access key of the application, if it needs one.
    #[serde(default)]
    pub secret: Option<Secret>,
    /// Label of this node, for gray releases.
    #[serde(default)]
    pub label: String,
    /// Authorities that its certificate is checked by, PEM; those of the system without.
    #[serde(default)]
    pub ca: Option<PathBuf>,
}

/// An access key of an application in Apollo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApolloKey {
    /// The application, which is the namespace of its documents.
    pub app: String,
    /// The key.
    pub secret: Secret,
    /// Whether requests without a good signature are refused; else they are only told in the log.
    #[serde(default = "enforced")]
    pub enforced: bool,
}

fn enforced() -> bool {
    true
}

fn default_cluster() -> String {
    ::config::apollo::DEFAULT_CLUSTER.to_owned()
}

/// A kind of source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// Built in.
    Default,
    /// A file, or a folder.
    File,
    /// Keys in etcd.
    Etcd,
    /// Keys in a store with Consul's API.
    Consul,
    /// A namespace of Apollo.
    Apollo,
    /// Variables of the environment.
    Env,
}

impl SourceKind {
    fn usual() -> Vec<Self> {
        vec![
            Self::Default,
            Self::File,
            Self::Etcd,
            Self::Consul,
            Self::Apollo,
            Self::Env,
        ]
    }
}

impl From<SourceKind> for ::config::Kind {
    fn from(kind: SourceKind) -> Self {
        match kind {
            SourceKind::Default => Self::Default,
            SourceKind::File => Self::File,
            SourceKind::Etcd => Self::Etcd,
            SourceKind::Consul => Self::Consul,
            SourceKind::Apollo => Self::Apollo,
            SourceKind::Env => Self::Env,
        }
    }
}

/// A document that says its own semantic version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DocumentVersion {
    /// Where: `version`, or `meta.version`.
    pub at: String,
    /// The highest major version that its readers were made for.
    #[serde(default = "first_major")]
    pub accepted_major: u64,
}

fn first_major() -> u64 {
    1
}
