//! Keys that open sealed values, and who may see and change documents.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Problem;

/// Which keys open sealed values. The keyring holds data keys, each wrapped by a key that is either in a file of
/// this node or in Vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeySettings {
    /// File of the wrapped data keys. It is worth nothing by itself, so it may lie beside the documents.
    pub keyring: PathBuf,
    /// The wrapping key: a file of mode 0400 with 32 bytes, 64 hexadecimal digits or base64.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
    /// Vault or OpenBao, whose Transit engine has the wrapping key.
    #[serde(default)]
    pub vault: Option<Vault>,
}

/// A key of Vault's Transit engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Vault {
    /// Address: `https://vault:8200`.
    pub address: String,
    /// Name of the key.
    pub key: String,
    /// File with a token, which somebody else renews, such as Vault's agent; it is read for every call.
    pub token_file: PathBuf,
    /// Where the Transit engine is mounted.
    #[serde(default = "transit")]
    pub mount: String,
    /// Namespace of Vault; empty for the root.
    #[serde(default)]
    pub namespace: String,
    /// Authority of Vault's certificate, PEM; those of the system without it.
    #[serde(default)]
    pub authority: Option<PathBuf>,
}

fn transit() -> String {
    "transit".to_owned()
}

/// Who may see and change documents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AccessSettings {
    /// Roles beside the three that are there already: `dev` (sees, opens and changes `dev-*`), `ops` (the same
    /// for `prod-*` and `staging-*`), and `auditor` (sees everything masked, and the audit log). One of the same
    /// name takes the place of such a role.
    pub roles: Vec<Role>,
    /// Who has which role. Without any, every program of this node sees every document, and root alone changes
    /// them and sees the audit log.
    pub bindings: Vec<RoleBinding>,
}

/// What somebody with this role may do. Namespaces are named as they are, or by their beginning and a `*`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Namespaces that are seen, secrets masked.
    pub read: Vec<String>,
    /// Whether secrets of these namespaces are seen.
    pub decrypt: bool,
    /// Whether data keys are made.
    pub generate_keys: bool,
    /// Namespaces that are rolled back and released.
    pub write: Vec<String>,
    /// Whether the audit log is seen, secrets masked.
    pub audit: bool,
}

/// Gives a role to callers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleBinding {
    /// What the caller has proved: `token:ACCESSOR`, `spiffe://TRUST-DOMAIN/PATH`, `process:uid:1000`,
    /// `process:pod:NAMESPACE/NAME`, `application:ID`; with a `*` at its end, everything that begins so; `*`
    /// alone, everybody.
    pub who: String,
    /// Name of the role.
    pub role: String,
}

impl KeySettings {
    pub(super) fn validate(&self) -> Option<Problem> {
        match (&self.key_file, &self.vault) {
            (Some(_), None) | (None, Some(_)) => None,
            (None, None) => Some(Problem::new(
                "config.keys",
                "say where the key is that wraps the keyring: key_file or vault",
            )),
            (Some(_), Some(_)) => Some(Problem::new(
                "config.keys",
                "key_file and vault are both there: the keyring is wrapped by one of them",
            )),
        }
    }
}

impl From<&Role> for ::config::roles::Role {
    fn from(role: &Role) -> Self {
        Self {
            name: role.name.clone(),
            read: role.read.clone(),
            decrypt: role.decrypt,
            generate_keys: role.generate_keys,
            write: role.write.clone(),
            audit: role.audit,
        }
    }
}

impl From<&AccessSettings> for ::config::roles::Policy {
    fn from(settings: &AccessSettings) -> Self {
        if settings.bindings.is_empty() && settings.roles.is_empty() {
            return Self::of_the_node();
        }
        let mut policy = Self::default();
        policy
            .roles
            .retain(|usual| settings.roles.iter().all(|role| role.name != usual.name));
        policy.roles.extend(settings.roles.iter().map(Into::into));
        let bindings = settings.bindings.iter();
        policy.bindings = bindings
            .map(|binding| ::config::roles::Binding {
                who: binding.who.clone(),
                role: binding.role.clone(),
            })
            .collect();
        policy
    }
}

impl AccessSettings {
    pub(super) fn validate(&self) -> Vec<Problem> {
        let faults = ::config::roles::Policy::from(self).faults();
        let problem = |fault| Problem::new("config.access", fault);
        faults.into_iter().map(problem).collect()
    }
}
