//! Names of releases.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The cluster that all others fall back to.
pub const DEFAULT_CLUSTER: &str = "default";

/// Bytes of the longest part of a name.
const LONGEST: usize = 200;

/// Application, cluster and namespace of a release. Namespaces are kept in lower case and without
/// `.properties`: clients write them either way and mean the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    app: String,
    cluster: String,
    namespace: String,
}

impl Key {
    /// The release of `namespace`; `None` when a part is empty, longer than 200 bytes, or has a `+` or a
    /// control character in it.
    #[must_use]
    pub fn new(app: &str, cluster: &str, namespace: &str) -> Option<Self> {
        let key = Self {
            app: app.to_owned(),
            cluster: cluster.to_owned(),
            namespace: normal(namespace),
        };
        let parts = [&key.app, &key.cluster, &key.namespace];
        let fits = |part: &&String| {
            (1..=LONGEST).contains(&part.len())
                && !part.contains(|c: char| c == '+' || c.is_control())
        };
        parts.iter().all(fits).then_some(key)
    }

    /// The application.
    #[must_use]
    pub fn app(&self) -> &str {
        &self.app
    }

    /// The cluster.
    #[must_use]
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The namespace in its normal form.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }
}

impl fmt::Display for Key {
    /// As Apollo writes it: `app+cluster+namespace`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}+{}", self.app, self.cluster, self.namespace)
    }
}

/// `Application.Properties` and `application` are one namespace; `app.yaml` is another.
pub(super) fn normal(namespace: &str) -> String {
    let lower = namespace.to_lowercase();
    match lower.strip_suffix(".properties") {
        Some(name) => name.to_owned(),
        None => lower,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_have_one_name() {
        let key = |namespace| Key::new("app", "default", namespace);
        assert_eq!(key("application.properties"), key("Application"));
        assert_ne!(key("application.yaml"), key("application"));
        assert_eq!(key("app.YAML").unwrap().to_string(), "app+default+app.yaml");
        for wrong in ["", "a+b", "a\nb", ".properties", &"x".repeat(201)] {
            assert_eq!(key(wrong), None, "{wrong}");
        }
    }
}
