//! Prometheus with exemplar storage, scraping one address every second.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::Path,
    process::Command,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Server, binary, encode, get_json, server::free_ports};

/// A running Prometheus.
#[derive(Debug)]
pub struct Prometheus {
    server: Server,
    /// Address of its HTTP API.
    pub address: SocketAddr,
}

/// One series of a query's answer.
#[derive(Clone, Debug, Deserialize)]
pub struct Series {
    /// Labels, the name included.
    #[serde(default)]
    pub metric: BTreeMap<String, String>,
    /// Time and value of an instant query.
    #[serde(default)]
    value: Option<(f64, String)>,
    /// Times and values of a range query.
    #[serde(default)]
    values: Vec<(f64, String)>,
}

impl Series {
    /// The newest value.
    #[must_use]
    pub fn latest(&self) -> Option<f64> {
        let (_, value) = self.value.as_ref().or(self.values.last())?;
        value.parse().ok()
    }
}

/// A sample that points at a trace.
#[derive(Clone, Debug, Deserialize)]
pub struct Exemplar {
    /// `trace_id` and `span_id`.
    pub labels: BTreeMap<String, String>,
    /// The observed value.
    pub value: String,
    /// Seconds since 1970.
    pub timestamp: f64,
}

#[derive(Deserialize)]
struct Answer<T> {
    status: String,
    data: T,
}

#[derive(Deserialize)]
struct Matrix {
    result: Vec<Series>,
}

#[derive(Deserialize)]
struct SeriesExemplars {
    exemplars: Vec<Exemplar>,
}

impl Prometheus {
    /// Starts one that scrapes `target`.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn start(directory: &Path, target: SocketAddr) -> Result<Self> {
        let [address] = free_ports()?;
        fs::create_dir_all(directory)?;
        let configuration = directory.join("prometheus.yaml");
        fs::write(&configuration, scrape(target))?;
        let mut server = Server::start(
            "prometheus",
            Command::new(binary("GOLENS_PROMETHEUS")?)
                .arg(format!("--config.file={}", configuration.display()))
                .arg(format!(
                    "--storage.tsdb.path={}",
                    directory.join("data").display()
                ))
                .arg(format!("--web.listen-address={address}"))
                .arg("--enable-feature=exemplar-storage"),
            directory,
        )?;
        server.wait_ready(address, "/-/ready", Duration::from_secs(30))?;
        Ok(Self { server, address })
    }

    /// Process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Evaluates an expression now.
    ///
    /// # Errors
    /// When Prometheus refuses it.
    pub fn query(&self, expression: &str) -> Result<Vec<Series>> {
        let path = format!("/api/v1/query?query={}", encode(expression));
        let matrix: Matrix = self.ask(&path)?;
        Ok(matrix.result)
    }

    /// Exemplars of the last ten minutes on the series an expression selects.
    ///
    /// # Errors
    /// When Prometheus refuses it.
    pub fn exemplars(&self, selector: &str) -> Result<Vec<Exemplar>> {
        let series: Vec<SeriesExemplars> = self.ask(&exemplars_path(selector)?)?;
        Ok(series.into_iter().flat_map(|one| one.exemplars).collect())
    }

    /// The address a person would open for [`Self::exemplars`].
    ///
    /// # Errors
    /// When the clock is before 1970.
    pub fn exemplars_url(&self, selector: &str) -> Result<String> {
        Ok(format!(
            "http://{}{}",
            self.address,
            exemplars_path(selector)?
        ))
    }

    fn ask<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let answer: Value = get_json(self.address, path)?;
        let answer: Answer<T> = serde_json::from_value(answer)
            .with_context(|| format!("unexpected answer of Prometheus to {path}"))?;
        ensure!(answer.status == "success", "Prometheus failed on {path}");
        Ok(answer.data)
    }
}

fn exemplars_path(selector: &str) -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    Ok(format!(
        "/api/v1/query_exemplars?query={}&start={}&end={}",
        encode(selector),
        now.saturating_sub(600),
        now + 60
    ))
}

fn scrape(target: SocketAddr) -> String {
    format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
         scrape_configs:\n\
         - job_name: golens\n  \
           static_configs:\n  \
           - targets: ['{target}']\n"
    )
}
