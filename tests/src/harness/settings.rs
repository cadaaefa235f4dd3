//! How an agent is configured and started.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Map, Value, json};

use super::{
    cgroup::Cgroup,
    golens::Golens,
    process::spawn,
    run_dir::{RunDir, unique},
};

/// Configuration of an agent and the way it is started.
#[derive(Clone, Debug)]
pub struct Settings {
    config: Value,
    wrapper: Vec<String>,
    statistics: bool,
    command: Vec<String>,
    environment: Vec<(String, String)>,
    state: Option<PathBuf>,
}

impl Settings {
    /// An agent that sees only the processes of `cgroup`, with room for every record of a test and
    /// without the probes that come and go in windows.
    #[must_use]
    pub fn for_cgroup(cgroup: &Cgroup) -> Self {
        Self::open().set("scope.cgroups", json!([cgroup.scope()]))
    }

    /// The same without a scope.
    #[must_use]
    pub fn open() -> Self {
        Self {
            config: Value::Object(Map::new()),
            wrapper: Vec::new(),
            statistics: true,
            command: Vec::new(),
            environment: Vec::new(),
            state: None,
        }
        .set("http.listen", json!("127.0.0.1:0"))
        .set("probes.goroutines.enabled", json!(false))
        .set("probes.net.enabled", json!(false))
        .set("recent.memory", json!("256MiB"))
        // Agents of other tests run beside it, and each machine has one registry.
        .set("registry.enabled", json!(false))
    }

    /// Sets a value by its path: `probes.ring`.
    ///
    /// # Panics
    /// When a part of the path is a value already.
    #[must_use]
    pub fn set(mut self, path: &str, value: Value) -> Self {
        let mut place = &mut self.config;
        for part in path.split('.') {
            place = place
                .as_object_mut()
                .unwrap_or_else(|| panic!("{path} goes through a value"))
                .entry(part)
                .or_insert_with(|| Value::Object(Map::new()));
        }
        *place = value;
        self
    }

    /// With a registry on free ports, its state in the directory of the run.
    #[must_use]
    pub fn with_registry(self, run: &RunDir) -> Self {
        self.set("registry.enabled", json!(true))
            .set("registry.data", json!(run.path().join("registry")))
            .set("registry.node", json!("node-1"))
            .set("registry.http", json!(["127.0.0.1:0"]))
            .set("registry.grpc", json!(["127.0.0.1:0"]))
            .set("registry.dns", json!(["127.0.0.1:0"]))
    }

    /// The configuration as it will be written.
    #[must_use]
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// Runs the agent under another program, which must become its parent only.
    #[must_use]
    pub fn under<S: Into<String>>(mut self, wrapper: impl IntoIterator<Item = S>) -> Self {
        self.wrapper = wrapper.into_iter().map(Into::into).collect();
        self
    }

    /// Lets the agent start this command, as in `golens run -- COMMAND`.
    #[must_use]
    pub fn running<S: Into<String>>(mut self, command: impl IntoIterator<Item = S>) -> Self {
        self.command = command.into_iter().map(Into::into).collect();
        self
    }

    /// Sets a variable of the agent's environment, which a started command inherits.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Keeps the agent's state in this folder, for the next one to find.
    #[must_use]
    pub fn kept_in(mut self, folder: &Path) -> Self {
        self.state = Some(folder.to_owned());
        self
    }

    /// Leaves the kernel's own run counts out; they need CAP_SYS_ADMIN.
    #[must_use]
    pub fn without_statistics(mut self) -> Self {
        self.statistics = false;
        self
    }

    /// Starts the agent and waits until its first scan is done.
    ///
    /// # Panics
    /// Without `GOLENS_BIN`, or when the agent does not get ready.
    #[must_use]
    pub fn start(self, run: &RunDir) -> Golens {
        self.start_in(run, None)
    }

    /// As [`Self::start`], inside a group, with everything it starts.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn start_in(self, run: &RunDir, cgroup: Option<&Cgroup>) -> Golens {
        let stem = format!("golens-{}", unique());
        // JSON is YAML.
        let config = run.path().join(format!("{stem}.yaml"));
        self.write(&config);
        let output = run.path().join(format!("{stem}.log"));
        let file = File::create(&output).unwrap_or_else(|e| panic!("create {output:?}: {e}"));
        let mut command = self.command_line(&config);
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("duplicate a descriptor"))
            .stderr(file);
        Golens::started(spawn(command, cgroup), output)
    }

    /// Puts the configuration into a file, whole or not at all.
    pub(super) fn write(&self, file: &Path) {
        let text = serde_json::to_string_pretty(&self.config).expect("print JSON");
        let beside = file.with_extension("new");
        fs::write(&beside, text).unwrap_or_else(|e| panic!("write {beside:?}: {e}"));
        fs::rename(&beside, file).unwrap_or_else(|e| panic!("rename to {file:?}: {e}"));
    }

    fn command_line(&self, config: &Path) -> Command {
        let binary = env::var_os("GOLENS_BIN").unwrap_or_else(|| {
            panic!("GOLENS_BIN names no agent; run these tests with `cargo xtask test`")
        });
        let own = config.with_extension("state");
        let state = self.state.as_deref().unwrap_or(&own);
        let mut command = match self.wrapper.split_first() {
            Some((wrapper, arguments)) => {
                let mut command = Command::new(wrapper);
                command.args(arguments).arg(binary);
                command
            }
            None => Command::new(binary),
        };
        command
            .args(["run", "--config"])
            .arg(config)
            .arg("--state")
            .arg(state)
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        if self.statistics {
            command.arg("--bpf-stats");
        }
        for name in [
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        ] {
            command.env_remove(name);
        }
        if !self.command.is_empty() {
            command.arg("--").args(&self.command);
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_placed_by_their_path() {
        let settings = Settings::open().set("probes.ring", json!("4KiB"));
        assert_eq!(settings.config["probes"]["ring"], "4KiB");
        assert_eq!(settings.config["probes"]["net"]["enabled"], false);
    }
}
