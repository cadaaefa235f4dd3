//! Releases: what a namespace says.

use std::{collections::BTreeMap, net::IpAddr};

use serde::{Deserialize, Serialize};
use state::Revision;

use crate::{Data, DocumentId, Path, Published, Reveal, Secret, Step, Value, secret::MASKED};

/// Key of the one entry of a namespace that is a whole file.
pub(super) const CONTENT: &str = "content";

/// A value as clients get it.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// For whoever may read the release.
    Text(String),
    /// Only for who may see secrets; never on disk.
    Secret(Secret),
}

/// A release of a namespace.
#[derive(Clone, Debug, PartialEq)]
pub struct Release {
    /// Its key: another one for every release of the namespace.
    pub release_key: String,
    /// What it says.
    pub settings: BTreeMap<String, Setting>,
    /// Other values for some clients; the first one that fits is taken.
    pub gray: Vec<Gray>,
    /// Whether applications that do not have this namespace get it from this one.
    pub is_public: bool,
    /// The document of this node that it shows, if it is one.
    pub document: Option<DocumentId>,
}

/// A release for some clients only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gray {
    /// Its key.
    pub release_key: String,
    /// Addresses of clients, as they tell them; `*` for all.
    #[serde(default)]
    pub ips: Vec<String>,
    /// Labels of clients, as they tell them.
    #[serde(default)]
    pub labels: Vec<String>,
    /// What it says, whole.
    pub configurations: BTreeMap<String, String>,
}

/// A release as it is kept on disk.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Stored {
    key: super::Key,
    release_key: String,
    configurations: BTreeMap<String, String>,
    #[serde(default)]
    gray: Vec<Gray>,
    #[serde(default)]
    is_public: bool,
}

impl Release {
    /// A release of plain values.
    #[must_use]
    pub fn new(release_key: &str, configurations: BTreeMap<String, String>) -> Self {
        let text = |(key, value)| (key, Setting::Text(value));
        Self {
            release_key: release_key.to_owned(),
            settings: configurations.into_iter().map(text).collect(),
            gray: Vec::new(),
            is_public: false,
            document: None,
        }
    }

    /// A document of this node, as the namespace of this name would show it: properties by dotted key, or
    /// the whole document as one text when the name ends with `.json`, `.yaml` or `.yml`.
    #[must_use]
    pub fn of_document(document: &Published, namespace: &str) -> Self {
        let Published {
            revision: Revision(revision),
            generation,
            ..
        } = document;
        let mut release = Self::new(&format!("g{generation}-r{revision}"), BTreeMap::new());
        release.document = Some(document.id.clone());
        release.settings = match is_file(namespace) {
            true => file(&document.value),
            false => flat(&document.value),
        };
        release
    }

    /// The entries and the key for a client that tells this address and label.
    pub(super) fn for_client(&self, ip: &str, label: &str) -> (String, BTreeMap<String, Setting>) {
        match self.gray.iter().find(|gray| gray.is_for(ip, label)) {
            Some(gray) => {
                let text =
                    |(key, value): (&String, &String)| (key.clone(), Setting::Text(value.clone()));
                (
                    gray.release_key.clone(),
                    gray.configurations.iter().map(text).collect(),
                )
            }
            None => (self.release_key.clone(), self.settings.clone()),
        }
    }

    /// What goes to disk; `None` for what must not: opened secrets, and documents, which have a place of
    /// their own.
    pub(super) fn stored(&self, key: &super::Key) -> Option<Stored> {
        if self.document.is_some() {
            return None;
        }
        let text = |(key, setting): (&String, &Setting)| match setting {
            Setting::Text(text) => Some((key.clone(), text.clone())),
            Setting::Secret(_) => None,
        };
        Some(Stored {
            key: key.clone(),
            release_key: self.release_key.clone(),
            configurations: self.settings.iter().map(text).collect::<Option<_>>()?,
            gray: self.gray.clone(),
            is_public: self.is_public,
        })
    }
}

impl From<Stored> for (super::Key, Release) {
    fn from(stored: Stored) -> Self {
        let release = Release {
            gray: stored.gray,
            is_public: stored.is_public,
            ..Release::new(&stored.release_key, stored.configurations)
        };
        (stored.key, release)
    }
}

impl Gray {
    fn is_for(&self, ip: &str, label: &str) -> bool {
        let parsed: Option<IpAddr> = ip.parse().ok();
        let is_ip = |rule: &String| {
            rule == "*"
                || (!ip.is_empty()
                    && (rule == ip || (parsed.is_some() && rule.parse().ok() == parsed)))
        };
        self.ips.iter().any(is_ip)
            || (!label.is_empty() && self.labels.iter().any(|it| it == label))
    }
}

/// Whether a namespace is one file instead of properties.
pub(super) fn is_file(namespace: &str) -> bool {
    let namespace = namespace.to_lowercase();
    [".json", ".yaml", ".yml", ".xml", ".txt"]
        .iter()
        .any(|suffix| namespace.ends_with(suffix))
}

/// JSON is YAML as well, so one rendering serves both. With a secret in it, the whole file is one.
fn file(value: &Value) -> BTreeMap<String, Setting> {
    let mut has_secret = false;
    value.leaves(&mut |_, value| has_secret |= matches!(value.data, Data::Secret(_)));
    let text = value.to_json(Reveal::Plain).to_string();
    let setting = match has_secret {
        true => Setting::Secret(Secret::new(text)),
        false => Setting::Text(text),
    };
    BTreeMap::from([(CONTENT.to_owned(), setting)])
}

/// Leaves by dotted key, as properties have them: `servers[0].port`.
fn flat(value: &Value) -> BTreeMap<String, Setting> {
    let mut settings = BTreeMap::new();
    value.leaves(&mut |path, value| {
        let setting = match &value.data {
            Data::Null => Setting::Text(String::new()),
            Data::Secret(secret) => Setting::Secret(secret.clone()),
            Data::Text(text) => Setting::Text(text.clone()),
            _ => Setting::Text(value.to_json(Reveal::Plain).to_string()),
        };
        settings.insert(property(path), setting);
    });
    settings
}

fn property(path: &Path) -> String {
    let mut name = String::new();
    for step in path.steps() {
        match step {
            Step::Key(key) if name.is_empty() => name.push_str(key),
            Step::Key(key) => name.extend([".", key.as_str()]),
            Step::At(index) => name.push_str(&format!("[{index}]")),
        }
    }
    name
}

/// What a client is shown.
pub(super) fn shown(
    settings: &BTreeMap<String, Setting>,
    may_see_secrets: bool,
) -> BTreeMap<&str, &str> {
    settings
        .iter()
        .map(|(key, setting)| {
            let value = match setting {
                Setting::Text(text) => text.as_str(),
                Setting::Secret(secret) if may_see_secrets => secret.expose(),
                Setting::Secret(_) => MASKED,
            };
            (key.as_str(), value)
        })
        .collect()
}
