//! GET on loopback, without a client library.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Time one answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Asks for a path and returns status and body.
///
/// HTTP/1.0 makes every server here close the connection after a body without chunks.
///
/// # Errors
/// When nobody listens or the answer is no HTTP.
pub(super) fn get(address: SocketAddr, path: &str) -> Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request =
        format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nAccept: application/json\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse(&answer).with_context(|| format!("no HTTP answer from {address}{path}"))
}

fn parse(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    const END: &[u8] = b"\r\n\r\n";
    let end = answer.windows(END.len()).position(|window| window == END)?;
    let (head, body) = answer.split_at_checked(end)?;
    let status = str::from_utf8(head).ok()?.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.get(END.len()..)?.to_vec()))
}

/// Asks for a path and reads the answer as JSON.
///
/// # Errors
/// When the status is not 200 or the body is no JSON.
pub fn get_json(address: SocketAddr, path: &str) -> Result<Value> {
    let (status, body) = get(address, path)?;
    if status != 200 {
        let text: String = String::from_utf8_lossy(&body).chars().take(500).collect();
        bail!("{address}{path} answered {status}: {text}");
    }
    serde_json::from_slice(&body).with_context(|| format!("no JSON from {address}{path}"))
}

/// Encodes a query parameter's value.
#[must_use]
pub fn encode(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len() * 2);
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_split_into_status_and_body() {
        let answer = b"HTTP/1.0 404 Not Found\r\nA: b\r\n\r\nbody\r\n\r\nmore";
        assert_eq!(parse(answer), Some((404, b"body\r\n\r\nmore".to_vec())));
        assert_eq!(parse(b"garbage"), None);
    }

    #[test]
    fn queries_are_encoded() {
        assert_eq!(encode("{a=\"b c\"} | x"), "%7Ba%3D%22b%20c%22%7D%20%7C%20x");
    }
}
