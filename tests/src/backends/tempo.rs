//! Single-binary Tempo with local storage and OTLP in.

use std::{net::SocketAddr, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{Server, binary, configuration, http::get, server::free_ports};

/// A running Tempo.
#[derive(Debug)]
pub struct Tempo {
    server: Server,
    /// Address of its HTTP API.
    pub address: SocketAddr,
    /// Where it takes OTLP over gRPC.
    pub otlp_grpc: SocketAddr,
    /// Where it takes OTLP over HTTP.
    pub otlp_http: SocketAddr,
}

/// A span as Tempo has stored it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TraceSpan {
    /// `service.name` of its resource.
    pub service: String,
    /// Name.
    pub name: String,
    /// Hex.
    pub trace_id: String,
    /// Hex.
    pub span_id: String,
}

impl Tempo {
    /// Starts one with an empty store.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn start(directory: &Path) -> Result<Self> {
        let [address, grpc, otlp_grpc, otlp_http] = free_ports()?;
        let mut server = Server::start(
            "tempo",
            Command::new(binary("GOLENS_TEMPO")?)
                .arg(format!(
                    "-config.file={}",
                    configuration("tempo/tempo.yaml").display()
                ))
                .arg("-config.expand-env=true")
                .env("TEMPO_HTTP_PORT", address.port().to_string())
                .env("TEMPO_GRPC_PORT", grpc.port().to_string())
                .env("TEMPO_OTLP_GRPC_PORT", otlp_grpc.port().to_string())
                .env("TEMPO_OTLP_HTTP_PORT", otlp_http.port().to_string())
                .env("TEMPO_DATA", directory.join("data")),
            directory,
        )?;
        server.wait_ready(address, "/ready", Duration::from_secs(60))?;
        Ok(Self {
            server,
            address,
            otlp_grpc,
            otlp_http,
        })
    }

    /// Process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Spans of a trace; empty when Tempo does not know it.
    ///
    /// # Errors
    /// When Tempo cannot answer.
    pub fn trace(&self, trace_id: &str) -> Result<Vec<TraceSpan>> {
        let (status, body) = get(self.address, &format!("/api/traces/{trace_id}"))?;
        match status {
            200 => {
                let answer: Value = serde_json::from_slice(&body).context("no JSON from Tempo")?;
                Ok(spans(&answer))
            }
            404 => Ok(Vec::new()),
            other => bail!("Tempo answered {other}: {}", String::from_utf8_lossy(&body)),
        }
    }

    /// The address a person would open for [`Self::trace`].
    #[must_use]
    pub fn url(&self, trace_id: &str) -> String {
        format!("http://{}/api/traces/{trace_id}", self.address)
    }
}

/// Flattens `batches[].scopeSpans[].spans[]`.
fn spans(answer: &Value) -> Vec<TraceSpan> {
    let mut found = Vec::new();
    for batch in array(&answer["batches"]) {
        let service = array(&batch["resource"]["attributes"])
            .iter()
            .find(|attribute| attribute["key"] == "service.name")
            .and_then(|attribute| attribute["value"]["stringValue"].as_str())
            .unwrap_or_default();
        for scope in array(&batch["scopeSpans"]) {
            for span in array(&scope["spans"]) {
                found.push(TraceSpan {
                    service: service.to_owned(),
                    name: span["name"].as_str().unwrap_or_default().to_owned(),
                    trace_id: hex(&span["traceId"]),
                    span_id: hex(&span["spanId"]),
                });
            }
        }
    }
    found.sort();
    found
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Tempo writes ids in base64.
fn hex(id: &Value) -> String {
    let mut text = String::new();
    let mut bits = 0_u32;
    let mut count = 0;
    for digit in id
        .as_str()
        .unwrap_or_default()
        .bytes()
        .map_while(base64_digit)
    {
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            text.push_str(&format!("{:02x}", bits >> count & 0xff));
        }
    }
    text
}

fn base64_digit(letter: u8) -> Option<u8> {
    match letter {
        b'A'..=b'Z' => Some(letter - b'A'),
        b'a'..=b'z' => Some(letter - b'a' + 26),
        b'0'..=b'9' => Some(letter - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_are_flattened_and_ids_turned_into_hex() {
        let answer = json!({"batches": [{
            "resource": {"attributes": [
                {"key": "service.name", "value": {"stringValue": "orders"}},
            ]},
            "scopeSpans": [{"spans": [{
                "traceId": "CvdlGRbNQ92ESOshHIAxnA==",
                "spanId": "t61rcWkgMzE=",
                "name": "GET /orders/{id}",
            }]}],
        }]});
        assert_eq!(
            spans(&answer),
            [TraceSpan {
                service: "orders".to_owned(),
                name: "GET /orders/{id}".to_owned(),
                trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
                span_id: "b7ad6b7169203331".to_owned(),
            }]
        );
        assert_eq!(spans(&json!({})), []);
    }
}
