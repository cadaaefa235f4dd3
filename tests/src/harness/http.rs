//! The little HTTP a test needs: GET on loopback, one connection each.

use std::{
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
    let mut stream = TcpStream::connect(address).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .expect("set a read timeout");
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nAccept: {accept}\r\n\r\n");
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
    Some(Response {
        status,
        body: body.to_owned(),
    })
}
