//! The cluster of registries that the node's belongs to.

use std::{path::PathBuf, time::Duration};

use registry::{
    BreakerSettings, FreshnessSettings, ProtectionSettings,
    cluster::{JoinError, Settings, TlsFiles, User},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Interval;

/// The etcd through which the registries of all nodes share what they have. The names are those of the
/// options `--etcd-...` of `golens registry serve`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RegistryEtcd {
    /// Its members, such as `https://10.0.0.5:2379`; any of them will do. Without one the registry is alone.
    pub endpoints: Vec<String>,
    /// Beginning of all keys. Registries with the same one see each other.
    pub prefix: String,
    /// Authorities that its certificate is checked by, PEM; those of the system without.
    pub ca: Option<PathBuf>,
    /// Certificate that it knows this node by, PEM.
    pub cert: Option<PathBuf>,
    /// Private key of the certificate, PEM.
    pub key: Option<PathBuf>,
    /// User.
    pub user: Option<String>,
    /// File with the user's password in its first line.
    pub password_file: Option<PathBuf>,
    /// How long the instances of a node that died are still seen.
    pub ttl: Interval,
    /// Publish also what is registered on a loopback address, or without one while this node's is one. What
    /// golens found on such an address is never published.
    pub publish_loopback: bool,
    /// A call that takes longer has timed out.
    pub call_timeout: Interval,
    /// When the view of other nodes is old.
    pub freshness: RegistryFreshness,
    /// When it is left alone for a while.
    pub breaker: RegistryBreaker,
    /// How long the last instances of a service are kept that it has lost; 0s for not at all.
    pub keep_lost: Interval,
}

impl Default for RegistryEtcd {
    fn default() -> Self {
        let settings = Settings::default();
        Self {
            endpoints: settings.endpoints,
            prefix: settings.prefix,
            ca: None,
            cert: None,
            key: None,
            user: None,
            password_file: None,
            ttl: Interval(settings.lease_ttl),
            publish_loopback: settings.publish_loopback,
            call_timeout: Interval(settings.call_timeout),
            freshness: RegistryFreshness::default(),
            breaker: RegistryBreaker::default(),
            keep_lost: Interval(settings.protection.keep_for),
        }
    }
}

/// How old what is known of other nodes may be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RegistryFreshness {
    /// Up to here without a word from etcd it is fresh.
    pub fresh: Interval,
    /// Up to here it is stale, after that expired; it is answered all the same.
    pub stale: Interval,
}

impl Default for RegistryFreshness {
    fn default() -> Self {
        let settings = FreshnessSettings::default();
        Self {
            fresh: Interval(settings.fresh_for),
            stale: Interval(settings.stale_for),
        }
    }
}

/// The breaker in front of etcd.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RegistryBreaker {
    /// It opens on so many time-outs in a row,
    pub timeouts: u32,
    /// or when so many percent of the calls of the last minute failed.
    pub failed_percent: u32,
    /// Longest time that it stays open; a probe that is answered ends it earlier.
    pub open: Interval,
    /// Time between two probes.
    pub probe: Interval,
    /// Calls on trial that must succeed before it closes.
    pub trials: u32,
}

impl Default for RegistryBreaker {
    fn default() -> Self {
        let settings = BreakerSettings::default();
        Self {
            timeouts: settings.timeouts,
            failed_percent: settings.failed_percent,
            open: Interval(settings.open),
            probe: Interval(settings.probe_every),
            trials: settings.trials,
        }
    }
}

impl RegistryEtcd {
    /// As the registry's crate wants it; `None` for a registry that is alone. Valid by itself when the
    /// section is.
    #[must_use]
    pub fn settings(&self) -> Option<Settings> {
        if self.endpoints.is_empty() {
            return None;
        }
        let user = self.user.clone().zip(self.password_file.clone());
        Some(Settings {
            endpoints: self.endpoints.clone(),
            prefix: self.prefix.clone(),
            tls: TlsFiles {
                authority: self.ca.clone(),
                identity: self.cert.clone().zip(self.key.clone()),
            },
            user: user.map(|(name, password_file)| User {
                name,
                password_file,
            }),
            lease_ttl: self.ttl.0,
            publish_loopback: self.publish_loopback,
            call_timeout: self.call_timeout.0,
            freshness: FreshnessSettings {
                fresh_for: self.freshness.fresh.0,
                stale_for: self.freshness.stale.0,
            },
            breaker: BreakerSettings {
                timeouts: self.breaker.timeouts,
                failed_percent: self.breaker.failed_percent,
                open: self.breaker.open.0,
                probe_every: self.breaker.probe.0,
                trials: self.breaker.trials,
                ..BreakerSettings::default()
            },
            protection: ProtectionSettings {
                keep_for: self.keep_lost.0,
                ..ProtectionSettings::default()
            },
            ..Settings::default()
        })
    }

    /// Every value that cannot work, with the name that it has in this section.
    pub(crate) fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let mut unless = |fits: bool, name: &str, message: &str| {
            if !fits {
                problems.push((name.to_owned(), message.to_owned()));
            }
        };
        let together = |one: bool, other: bool| one == other;
        unless(
            together(self.cert.is_some(), self.key.is_some()),
            "cert",
            "a certificate and its key are given together",
        );
        unless(
            together(self.user.is_some(), self.password_file.is_some()),
            "user",
            "a user and the file with the password are given together",
        );
        unless(
            self.freshness.fresh <= self.freshness.stale,
            "freshness.stale",
            "what is stale is older than what is fresh",
        );
        let within = |value: Interval, least: u64, most: u64| {
            let (least, most) = (Duration::from_millis(least), Duration::from_secs(most));
            (least..=most).contains(&value.0)
        };
        unless(
            within(self.call_timeout, 100, 60),
            "call_timeout",
            "is outside of 100ms to 1min",
        );
        unless(
            within(self.breaker.probe, 100, 3_600),
            "breaker.probe",
            "is outside of 100ms to 1h",
        );
        unless(
            within(self.breaker.open, 1_000, 86_400),
            "breaker.open",
            "is outside of 1s to 1day",
        );
        unless(
            (1..=100).contains(&self.breaker.failed_percent),
            "breaker.failed_percent",
            "is outside of 1 to 100",
        );
        unless(
            self.breaker.timeouts > 0,
            "breaker.timeouts",
            "0 lets no call through",
        );
        unless(
            self.breaker.trials > 0,
            "breaker.trials",
            "0 never closes it again",
        );
        // The rest means nothing to a registry that is alone.
        let settings = self.settings();
        let wrong = settings.iter().flat_map(Settings::problems);
        problems.extend(wrong.map(|error| (setting(&error).to_owned(), error.to_string())));
        problems
    }
}

/// Which setting an error is about.
fn setting(error: &JoinError) -> &'static str {
    match error {
        JoinError::Prefix { .. } => "prefix",
        JoinError::Ttl { .. } => "ttl",
        _ => "endpoints",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_that_is_alone_has_no_settings_and_no_problems() {
        let alone = RegistryEtcd::default();
        assert!(alone.settings().is_none());
        assert_eq!(alone.problems(), []);
    }

    #[test]
    fn what_golens_serve_takes_by_default_is_the_default_here() {
        let alone = RegistryEtcd {
            endpoints: vec!["http://127.0.0.1:2379".to_owned()],
            ..RegistryEtcd::default()
        };
        let settings = alone.settings().expect("a member");
        let expected = Settings {
            endpoints: alone.endpoints,
            ..Settings::default()
        };
        assert_eq!(format!("{settings:?}"), format!("{expected:?}"));
    }

    #[test]
    fn each_nonsense_value_is_named() {
        let wrong = RegistryEtcd {
            endpoints: vec!["http://a:1".to_owned(), "10.0.0.5:2379".to_owned()],
            prefix: "golens/".to_owned(),
            ttl: Interval(Duration::from_secs(1)),
            key: Some("etcd.key".into()),
            user: Some("golens".to_owned()),
            call_timeout: Interval(Duration::ZERO),
            ..RegistryEtcd::default()
        };
        let names: Vec<_> = wrong.problems().into_iter().map(|(name, _)| name).collect();
        let expected = ["cert", "user", "call_timeout", "endpoints", "prefix", "ttl"];
        assert_eq!(names, expected);
    }
}
