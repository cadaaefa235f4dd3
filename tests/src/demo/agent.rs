//! The agent, restricted to one control group.

use std::{
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{Group, api::Targets};
use crate::backends::{Loki, Server, Tempo, get_json, wait_for};

/// A running golens.
#[derive(Debug)]
pub struct Agent {
    server: Server,
    /// Address of its HTTP API.
    pub address: SocketAddr,
}

/// Where spans and log lines go.
#[derive(Clone, Debug, Default)]
pub struct Destinations {
    /// OTLP over gRPC.
    pub otlp: Option<SocketAddr>,
    /// Loki's push API.
    pub loki: Option<SocketAddr>,
}

impl Destinations {
    /// The stores' addresses, or nowhere.
    #[must_use]
    pub fn new(stores: Option<(&Loki, &Tempo)>) -> Self {
        match stores {
            Some((loki, tempo)) => Self {
                otlp: Some(tempo.otlp_grpc),
                loki: Some(loki.address),
            },
            None => Self::default(),
        }
    }
}

impl Agent {
    /// Starts the built agent and waits until it has scanned the node.
    ///
    /// # Errors
    /// When it does not become ready; the end of its log is part of the message.
    pub fn start(directory: &Path, group: &Group, destinations: &Destinations) -> Result<Self> {
        let configuration = directory.join("golens.yaml");
        // JSON is YAML, and needs no writer of its own.
        let text = serde_json::to_string_pretty(&settings(group, destinations))?;
        fs::write(&configuration, text)?;
        let program = env::var_os("GOLENS_BIN")
            .map(PathBuf::from)
            .context("GOLENS_BIN is not set; start this through `cargo xtask`")?;
        let mut server = Server::start(
            "golens",
            Command::new(program)
                .args(["run", "--config"])
                .arg(&configuration)
                .arg("--state")
                .arg(directory.join("state")),
            directory,
        )?;
        let address = server.wait_for("the address", Duration::from_secs(15), |server| {
            listening(&server.output())
        })?;
        server.wait_ready(address, "/readyz", Duration::from_secs(30))?;
        Ok(Self { server, address })
    }

    /// Asks for a path of the API.
    ///
    /// # Errors
    /// When the answer is not 200 with JSON.
    pub fn api(&self, path: &str) -> Result<Value> {
        get_json(self.address, path)
    }

    /// Waits until all these processes are attached.
    ///
    /// # Errors
    /// When one is refused or the time passes; the message says what golens knows of them.
    pub fn wait_attached(&mut self, pids: &[u32], within: Duration) -> Result<()> {
        let mut last = Value::Null;
        let attached = wait_for("golens to attach to all services", within, || {
            last = self.api("/api/v1/targets")?;
            let known: Targets = serde_json::from_value(last.clone())?;
            let all = pids.iter().all(|pid| {
                known
                    .targets
                    .iter()
                    .any(|one| one.pid == *pid && one.has_probes())
            });
            Ok(all.then_some(()))
        });
        attached.with_context(|| format!("targets: {last}\ngolens: {}", self.server.output()))
    }

    /// Ends it and checks that it goes by itself.
    ///
    /// # Errors
    /// When it does not end on SIGTERM.
    pub fn stop(self) -> Result<()> {
        self.server.stop(Duration::from_secs(10))
    }
}

fn settings(group: &Group, destinations: &Destinations) -> Value {
    let url = |address: SocketAddr| format!("http://{address}");
    json!({
        "scope": {"cgroups": [group.scope()]},
        "http": {"listen": "127.0.0.1:0"},
        "runtime": {"interval": "1s"},
        "registry": {"enabled": false},
        "otlp": {"endpoint": destinations.otlp.map(url)},
        "loki": {"endpoint": destinations.loki.map(url)},
    })
}

/// The address in `golens: listening on http://127.0.0.1:9717`.
fn listening(output: &str) -> Option<SocketAddr> {
    let complete = output.rsplit_once('\n')?.0;
    let (_, address) = complete
        .lines()
        .find_map(|line| line.split_once("golens: listening on http://"))?;
    address.trim().trim_end_matches('/').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_a_whole_line_only() {
        let line = "golens: listening on http://127.0.0.1:9717";
        assert_eq!(listening(line), None);
        let whole = format!("warning\n{line}\n");
        assert_eq!(listening(&whole), "127.0.0.1:9717".parse().ok());
    }
}
