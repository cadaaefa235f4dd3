//! Single-binary Loki on the file system.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    process::Command,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::{Series, Server, binary, configuration, encode, get_json, server::free_ports};

/// A running Loki.
#[derive(Debug)]
pub struct Loki {
    server: Server,
    /// Address of its HTTP API, for pushes and queries.
    pub address: SocketAddr,
}

/// One log line of a query's answer.
#[derive(Clone, Debug)]
pub struct Line {
    /// Labels and structured metadata, which Loki folds together in answers.
    pub labels: BTreeMap<String, String>,
    /// Nanoseconds since 1970.
    pub time_unix_nano: String,
    /// The line.
    pub text: String,
}

#[derive(Deserialize)]
struct Answer<T> {
    data: Data<T>,
}

#[derive(Deserialize)]
struct Data<T> {
    result: Vec<T>,
}

#[derive(Deserialize)]
struct Stream {
    stream: BTreeMap<String, String>,
    values: Vec<(String, String)>,
}

impl Loki {
    /// Starts one with an empty store.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn start(directory: &Path) -> Result<Self> {
        let [address, grpc] = free_ports()?;
        let mut server = Server::start(
            "loki",
            Command::new(binary("GOLENS_LOKI")?)
                .arg(format!(
                    "-config.file={}",
                    configuration("loki/loki.yaml").display()
                ))
                .arg("-config.expand-env=true")
                .env("LOKI_HTTP_PORT", address.port().to_string())
                .env("LOKI_GRPC_PORT", grpc.port().to_string())
                .env("LOKI_DATA", directory.join("data")),
            directory,
        )?;
        server.wait_ready(address, "/ready", Duration::from_secs(60))?;
        Ok(Self { server, address })
    }

    /// Process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Lines of the last ten minutes, newest first.
    ///
    /// # Errors
    /// When Loki refuses the query.
    pub fn lines(&self, query: &str) -> Result<Vec<Line>> {
        let answer: Answer<Stream> = self.ask(query)?;
        Ok(answer
            .data
            .result
            .into_iter()
            .flat_map(|stream| {
                let labels = stream.stream;
                stream.values.into_iter().map(move |(time, text)| Line {
                    labels: labels.clone(),
                    time_unix_nano: time,
                    text,
                })
            })
            .collect())
    }

    /// Series of the last ten minutes that a metric query counts from lines.
    ///
    /// # Errors
    /// When Loki refuses the query.
    pub fn series(&self, query: &str) -> Result<Vec<Series>> {
        let answer: Answer<Series> = self.ask(query)?;
        Ok(answer.data.result)
    }

    /// The address a person would open for [`Self::lines`].
    ///
    /// # Errors
    /// When the clock is before 1970.
    pub fn url(&self, query: &str) -> Result<String> {
        Ok(format!("http://{}{}", self.address, path(query)?))
    }

    fn ask<T: serde::de::DeserializeOwned>(&self, query: &str) -> Result<T> {
        let answer = get_json(self.address, &path(query)?)?;
        serde_json::from_value(answer)
            .with_context(|| format!("unexpected answer of Loki to {query}"))
    }
}

fn path(query: &str) -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    Ok(format!(
        "/loki/api/v1/query_range?query={}&start={}000000000&end={}000000000&limit=1000",
        encode(query),
        now.saturating_sub(600),
        now + 60
    ))
}
