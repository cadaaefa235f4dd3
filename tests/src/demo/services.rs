//! The three Go services and the load on them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::Group;
use crate::{
    backends::{Server, wait_for},
    harness::{Target, listening},
};

/// Connections of the load, each with one request at a time.
const CONNECTIONS: u32 = 8;
/// Requests per second: enough for every panel, and easy on a laptop.
const RATE: u32 = 200;

/// Where the Go programs are.
#[derive(Clone, Debug)]
pub struct Programs {
    gateway: PathBuf,
    orders: PathBuf,
    inventory: PathBuf,
    load: PathBuf,
}

/// What the load client counted.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct LoadSummary {
    /// Requests sent and answered.
    pub requests: u64,
    /// Answers by status code.
    pub statuses: BTreeMap<String, u64>,
    /// From the first request to the last answer.
    pub duration_seconds: f64,
    /// Trace ids the client sent, the first thousand.
    #[serde(default, skip_serializing)]
    pub trace_ids: Vec<String>,
}

/// The running services.
#[derive(Debug)]
pub struct Services {
    gateway: Service,
    orders: Service,
    inventory: Service,
}

#[derive(Debug)]
struct Service {
    server: Server,
    address: String,
}

impl Programs {
    /// Builds services and load client with the installed Go, unless they are there.
    ///
    /// # Panics
    /// When Go is missing or fails; its output is part of the message.
    #[must_use]
    pub fn build() -> Self {
        Self {
            gateway: Target::new("services/gateway").build(),
            orders: Target::new("services/orders").build(),
            inventory: Target::new("services/inventory").build(),
            load: Target::new("load").build(),
        }
    }
}

impl Services {
    /// Starts the chain from its end, so that each knows the address of the next.
    ///
    /// # Errors
    /// When one does not listen in time.
    pub fn start(programs: &Programs, group: &Group, directory: &Path) -> Result<Self> {
        let start =
            |name, program, upstream| Service::start(name, program, upstream, group, directory);
        let inventory = start("inventory", &programs.inventory, None)?;
        let orders = start("orders", &programs.orders, Some(&inventory.address))?;
        let gateway = start("gateway", &programs.gateway, Some(&orders.address))?;
        Ok(Self {
            gateway,
            orders,
            inventory,
        })
    }

    /// Process ids, outermost service first.
    #[must_use]
    pub fn pids(&self) -> [u32; 3] {
        [&self.gateway, &self.orders, &self.inventory].map(|service| service.server.pid())
    }

    /// Something to open in a browser.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/api/orders/1", self.gateway.address)
    }

    /// Reads and creates orders for some time; some do not exist, some fail, some are slow.
    ///
    /// # Errors
    /// When the client fails or Ctrl-C is pressed.
    pub fn load(&self, programs: &Programs, duration: Duration) -> Result<LoadSummary> {
        let gateway = &self.gateway.address;
        let mut command = Command::new(&programs.load);
        command
            .args(["-url", &format!("http://{gateway}/api/orders/{{n}}")])
            .args(["-url", &format!("POST http://{gateway}/api/orders")])
            .args(["-body", "{\"item\":\"bolt\"}"])
            .args(["-connections", &CONNECTIONS.to_string()])
            .args(["-rate", &RATE.to_string()])
            .args(["-duration", &format!("{}ms", duration.as_millis())])
            .arg("-json")
            .stdout(Stdio::piped());
        crate::backends::end_with_us(&mut command);
        let mut child = command.spawn().context("cannot start the load client")?;
        let ended = wait_for(
            "the end of the load",
            duration + Duration::from_secs(30),
            || Ok(child.try_wait()?),
        );
        if ended.is_err() {
            child.kill()?;
        }
        let output = child.wait_with_output()?;
        ended?;
        serde_json::from_slice(&output.stdout).context("the load client printed no summary")
    }
}

impl Service {
    fn start(
        name: &str,
        program: &Path,
        upstream: Option<&String>,
        group: &Group,
        directory: &Path,
    ) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(["-listen", "127.0.0.1:0"]);
        if let Some(upstream) = upstream {
            command.args(["-upstream", upstream]);
        }
        let mut server = group.start(name, &mut command, directory)?;
        let address = server.wait_for("the address", Duration::from_secs(10), |server| {
            let output = server.output();
            // A line without its end may be cut.
            listening(output.rsplit_once('\n')?.0)
        })?;
        Ok(Self { server, address })
    }
}
