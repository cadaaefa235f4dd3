//! Checks of values that each parse but make no sense, all reported at once.

use std::time::Duration;

use super::{Bytes, Config, Interval, Loki, Otlp, Probes, Problem, Recent, Runtime, Scope, Window};

impl Config {
    /// Every value that cannot work, empty when all can.
    #[must_use]
    pub fn validate(&self) -> Vec<Problem> {
        let mut found = Found::default();
        scope(&self.scope, &mut found);
        probes(&self.probes, &mut found);
        runtime(&self.runtime, &mut found);
        recent(&self.recent, &mut found);
        otlp(&self.otlp, &mut found);
        loki(&self.loki, &mut found);
        found.0.extend(self.registry.validate());
        found.0.extend(self.config.validate());
        found.0
    }
}

#[derive(Default)]
struct Found(Vec<Problem>);

impl Found {
    fn unless(&mut self, fits: bool, path: &str, message: impl FnOnce() -> String) {
        if !fits {
            self.0.push(Problem::new(path, message()));
        }
    }

    fn interval(&mut self, path: &str, value: Interval, least: Duration, most: Duration) {
        self.unless((least..=most).contains(&value.0), path, || {
            format!(
                "{} is outside of {} to {}",
                humantime::format_duration(value.0),
                humantime::format_duration(least),
                humantime::format_duration(most)
            )
        });
    }

    fn bytes(&mut self, path: &str, value: Bytes, least: Bytes, most: Bytes) {
        self.unless((least..=most).contains(&value), path, || {
            format!("{value} is outside of {least} to {most}")
        });
    }

    fn queue(&mut self, path: &str, length: usize) {
        self.unless((1..=10_000_000).contains(&length), path, || {
            format!("{length} is outside of 1 to 10000000 entries")
        });
    }

    fn endpoint(&mut self, path: &str, endpoint: Option<&str>) {
        let Some(text) = endpoint else { return };
        self.unless(is_http_address(text), path, || {
            format!("`{text}` is no address such as http://127.0.0.1:4317 or https://host:443")
        });
    }
}

fn scope(scope: &Scope, found: &mut Found) {
    for (at, prefix) in scope.cgroups.iter().enumerate() {
        let whole = prefix.starts_with('/') && !prefix.split('/').any(|part| part == "..");
        found.unless(whole, &format!("scope.cgroups[{at}]"), || {
            format!("`{prefix}` must be a path from the root of a hierarchy, such as /kubepods")
        });
    }
    let patterns = [
        ("scope.executables", &scope.executables),
        ("scope.exclude_executables", &scope.exclude_executables),
    ];
    for (path, patterns) in patterns {
        for (at, pattern) in patterns.iter().enumerate() {
            found.unless(
                pattern.starts_with(['/', '*']),
                &format!("{path}[{at}]"),
                || format!("`{pattern}` must begin with / or *, such as /usr/local/bin/*"),
            );
        }
    }
    for (at, pid) in scope.pids.iter().enumerate() {
        found.unless(*pid != 0, &format!("scope.pids[{at}]"), || {
            "0 is no process id".to_owned()
        });
    }
}

fn probes(probes: &Probes, found: &mut Found) {
    found.bytes("probes.ring", probes.ring, Bytes(4 << 10), Bytes(1 << 30));
    found.unless(probes.ring.0.is_power_of_two(), "probes.ring", || {
        format!("{} is no power of two, such as 8MiB", probes.ring)
    });
    let second = Duration::from_secs(1);
    found.interval(
        "probes.drain",
        probes.drain,
        Duration::from_millis(1),
        second,
    );
    window("probes.goroutines", &probes.goroutines, found);
    window("probes.net", &probes.net, found);
}

fn window(path: &str, window: &Window, found: &mut Found) {
    let (tenth, day) = (Duration::from_millis(100), Duration::from_secs(24 * 3_600));
    found.interval(&format!("{path}.length"), window.length, tenth, day);
    found.interval(&format!("{path}.every"), window.every, tenth, day);
    found.unless(window.length <= window.every, path, || {
        "length is longer than every; at most they are equal".to_owned()
    });
    let most = 1_000_000_000;
    found.unless(
        (1..=most).contains(&window.budget),
        &format!("{path}.budget"),
        || format!("{} is outside of 1 to {most} hits", window.budget),
    );
}

fn runtime(runtime: &Runtime, found: &mut Found) {
    let (least, most) = (Duration::from_millis(100), Duration::from_secs(3_600));
    found.interval("runtime.interval", runtime.interval, least, most);
    for (at, rule) in runtime.rules.iter().enumerate() {
        let path = format!("runtime.rules[{at}]");
        found.interval(&format!("{path}.interval"), rule.interval, least, most);
        found.unless(
            !rule.services.is_empty() || !rule.executables.is_empty(),
            &path,
            || "names no service and no executable; runtime.interval is for all".to_owned(),
        );
    }
    let goroutines = &runtime.goroutines;
    let least = Duration::from_secs(1);
    found.interval(
        "runtime.goroutines.interval",
        goroutines.interval,
        least,
        most,
    );
    found.unless(
        (1_000..=10_000_000).contains(&goroutines.limit),
        "runtime.goroutines.limit",
        || {
            format!(
                "{} is outside of 1000 to 10000000 goroutines",
                goroutines.limit
            )
        },
    );
}

fn recent(recent: &Recent, found: &mut Found) {
    found.bytes(
        "recent.memory",
        recent.memory,
        Bytes(1 << 20),
        Bytes(64 << 30),
    );
    let (least, most) = (Duration::from_secs(1), Duration::from_secs(7 * 24 * 3_600));
    found.interval("recent.keep", recent.keep, least, most);
}

/// Least and most time that one export request may take.
const TIMEOUT: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(300));

fn otlp(otlp: &Otlp, found: &mut Found) {
    found.endpoint("otlp.endpoint", otlp.endpoint.as_deref());
    found.interval("otlp.timeout", otlp.timeout, TIMEOUT.0, TIMEOUT.1);
    found.queue("otlp.queue", otlp.queue);
    for name in otlp.headers.keys() {
        let token = !name.is_empty() && name.bytes().all(is_header_byte);
        found.unless(token, &format!("otlp.headers.{name}"), || {
            "a header name has letters, digits and - _ . only".to_owned()
        });
    }
}

fn loki(loki: &Loki, found: &mut Found) {
    found.endpoint("loki.endpoint", loki.endpoint.as_deref());
    found.interval("loki.timeout", loki.timeout, TIMEOUT.0, TIMEOUT.1);
    found.queue("loki.queue", loki.queue);
    for name in loki.labels.keys() {
        found.unless(is_label(name), &format!("loki.labels.{name}"), || {
            "a label name has letters, digits and _ only and begins with no digit".to_owned()
        });
    }
}

fn is_header_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)
}

fn is_label(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn is_http_address(text: &str) -> bool {
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|rest| {
        let host = rest.split('/').next().unwrap_or_default();
        !host.is_empty() && !host.starts_with(':') && !text.contains(char::is_whitespace)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RuntimeRule;

    fn paths(config: &Config) -> Vec<String> {
        let problems = config.validate();
        problems.into_iter().map(|problem| problem.path).collect()
    }

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(paths(&Config::default()), [""; 0]);
    }

    #[test]
    fn each_nonsense_value_is_named() {
        let mut config = Config::default();
        config.scope.cgroups = vec!["kubepods".into()];
        config.scope.exclude_executables = vec!["bin/x".into()];
        config.scope.pids = vec![1, 0];
        config.probes.ring = Bytes(5_000);
        config.probes.goroutines.budget = 0;
        config.probes.net.length = Interval(Duration::from_secs(90));
        config.runtime.interval = Interval(Duration::ZERO);
        config.runtime.rules = vec![RuntimeRule {
            services: Vec::new(),
            executables: Vec::new(),
            interval: Interval(Duration::from_millis(99)),
        }];
        config.otlp.endpoint = Some("tempo:4317".into());
        config.otlp.queue = 0;
        config.loki.endpoint = Some("http://:3100".into());
        config.loki.labels.insert("1st".into(), "x".into());
        assert_eq!(
            paths(&config),
            [
                "scope.cgroups[0]",
                "scope.exclude_executables[0]",
                "scope.pids[1]",
                "probes.ring",
                "probes.goroutines.budget",
                "probes.net",
                "runtime.interval",
                "runtime.rules[0].interval",
                "runtime.rules[0]",
                "otlp.endpoint",
                "otlp.queue",
                "loki.endpoint",
                "loki.labels.1st",
            ]
        );
    }
}
