//! The three Go services and the load on them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::{Group, target_dir};
use crate::backends::{Server, wait_for};

/// Connections of the load, each with one request at a time.
const CONNECTIONS: u32 = 8;
/// Requests per second: enough for every panel, and easy on a laptop.
const RATE: u32 = 200;

/// Where the Go programs are.
#[derive(Clone, Debug)]
pub struct Programs(PathBuf);

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
    /// Builds services and load client with the installed Go.
    ///
    /// # Errors
    /// When Go fails; its output is part of the message.
    pub fn build() -> Result<Self> {
        let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("targets");
        let programs = target_dir().join("golens-demo-bin");
        fs::create_dir_all(&programs)?;
        let services = ["./gateway", "./orders", "./inventory"];
        go_build(&modules.join("services"), &programs, &services)?;
        go_build(&modules, &programs, &["./load"])?;
        Ok(Self(programs))
    }
}

/// `GOTOOLCHAIN=auto` lets an older Go fetch the version that the module asks for.
fn go_build(module: &Path, into: &Path, packages: &[&str]) -> Result<()> {
    let output = Command::new("go")
        .args(["build", "-buildvcs=false", "-o"])
        .arg(into)
        .args(packages)
        .current_dir(module)
        .env("CGO_ENABLED", "0")
        .env("GOTOOLCHAIN", "auto")
        .env("GOWORK", "off")
        .output()
        .context("cannot start go")?;
    match output.status.success() {
        true => Ok(()),
        false => bail!(
            "go build failed:\n{}",
            String::from_utf8_lossy(&output.stderr)
        ),
    }
}

impl Services {
    /// Starts the chain from its end, so that each knows the address of the next.
    ///
    /// # Errors
    /// When one does not listen in time.
    pub fn start(programs: &Programs, group: &Group, directory: &Path) -> Result<Self> {
        let start = |name, upstream| Service::start(programs, group, directory, name, upstream);
        let inventory = start("inventory", None)?;
        let orders = start("orders", Some(&inventory.address))?;
        let gateway = start("gateway", Some(&orders.address))?;
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
        let mut command = Command::new(programs.0.join("load"));
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
        programs: &Programs,
        group: &Group,
        directory: &Path,
        name: &str,
        upstream: Option<&String>,
    ) -> Result<Self> {
        let mut command = Command::new(programs.0.join(name));
        command.args(["-listen", "127.0.0.1:0"]);
        if let Some(upstream) = upstream {
            command.args(["-upstream", upstream]);
        }
        let mut server = group.start(name, &mut command, directory)?;
        let address = server.wait_for("the address", Duration::from_secs(10), |server| {
            listening(&server.output())
        })?;
        Ok(Self { server, address })
    }
}

/// The address in a line such as `listening 127.0.0.1:80 pid 7`.
fn listening(output: &str) -> Option<String> {
    let complete = output.rsplit_once('\n')?.0;
    let rest = complete
        .lines()
        .find_map(|line| line.strip_prefix("listening "))?;
    rest.split(' ').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_from_a_whole_line_only() {
        let output = "noise\nlistening 127.0.0.1:4711 pid 7\n";
        assert_eq!(listening(output).as_deref(), Some("127.0.0.1:4711"));
        assert_eq!(listening("listening 127.0.0.1:47"), None);
    }
}
