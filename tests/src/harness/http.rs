//! The little HTTP a test needs: GET on loopback, one connection each.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde::de::DeserializeOwned;

/// An answer.
#[derive(Debug)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Headers by name in lower case.
    pub headers: BTreeMap<String, String>,
    /// Body as text.
    pub body: String,
}

impl Response {
    /// Reads the body as JSON.
    ///
    /// # Panics
    /// When the status is not 200 or the body is something else.
    #[must_use]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        assert_eq!(self.status, 200, "{}", self.body);
        serde_json::from_str(&self.body).unwrap_or_else(|error| {
            let start: String = self.body.chars().take(500).collect();
            panic!("{error} in {start}")
        })
    }
}

/// Asks `address` for `path`; `None` when nobody listens there.
///
/// HTTP/1.0 makes the server close the connection at the end of a body without chunks.
///
/// # Panics
/// When the answer is no HTTP.
#[must_use]
pub fn get(address: &str, path: &str) -> Option<Response> {
    get_as(address, path, "*/*")
}

/// Asks for a media type.
pub(super) fn get_as(address: &str, path: &str, accept: &str) -> Option<Response> {
    request(address, "GET", path, &[("Accept", accept)], "")
}

/// Sends any request; `None` when nobody listens there.
///
/// # Panics
/// When the answer is no HTTP.
#[must_use]
pub fn request(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<Response> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .expect("set a read timeout");
    let mut head = format!("{method} {path} HTTP/1.0\r\nHost: {address}\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    let request = format!("{head}\r\n{body}");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap_or_else(|| panic!("no status line from {address}: {head}"));
    let headers = head.lines().skip(1).filter_map(|line| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_ascii_lowercase(), value.to_owned()))
    });
    Some(Response {
        status,
        headers: headers.collect(),
        body: body.to_owned(),
    })
}
