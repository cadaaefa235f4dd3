//! Who may read what targets do and log: programs on this node, and no foreign site through a browser.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, Request},
    http::{
        HeaderValue,
        header::{CONTENT_SECURITY_POLICY, HOST, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::error::Error;

/// Refuses requests from other machines and pods: spans and log lines are for those who may log in
/// here. `kubectl port-forward` counts as local. `/metrics` and the health routes are not guarded.
pub(super) async fn peer(request: Request, next: Next) -> Response {
    match request.extensions().get::<ConnectInfo<SocketAddr>>() {
        Some(ConnectInfo(peer)) if !peer.ip().to_canonical().is_loopback() => {
            Error::Peer(peer.ip()).into_response()
        }
        _ => next.run(request).await,
    }
}

/// Refuses requests whose `Host` is a name other than `localhost`.
///
/// A web site can point its own name at this address and so make a browser read what it must not.
/// Addresses cannot be used that way. Scrapers and kubelets use names, and the routes that they need
/// are not guarded.
pub(super) async fn host(request: Request, next: Next) -> Response {
    let host = request
        .headers()
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or("");
    if is_local(host) {
        next.run(request).await
    } else {
        Error::Host(host.to_owned()).into_response()
    }
}

/// Whether a `Host` header is an address or `localhost`, with or without port.
fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split_once(']').map_or("", |(address, _)| address),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

/// Adds headers that keep browsers from guessing types and from loading anything else.
pub(super) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let fixed = [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_localhost_pass_and_names_do_not() {
        for host in [
            "127.0.0.1:9717",
            "10.1.2.3",
            "[::1]:9717",
            "[::1]",
            "localhost:9717",
            "LOCALHOST",
        ] {
            assert!(is_local(host), "{host}");
        }
        for host in [
            "evil.example:9717",
            "localhost.evil.example",
            "",
            "127.0.0.1.evil.example",
            "[::1",
        ] {
            assert!(!is_local(host), "{host}");
        }
    }
}
