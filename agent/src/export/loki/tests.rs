//! The exporter against a server that answers like Loki.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, http::HeaderMap as Headers, routing::post};
use tokio::net::TcpListener;

use super::*;
use crate::{
    export::ExporterHandle,
    telemetry::{Telemetry, testing},
};

/// Serves statuses in order, the last one for ever, and returns the address and what came in.
async fn server(statuses: &[u16]) -> (String, Arc<Mutex<Vec<Headers>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (calls, statuses) = (AtomicUsize::new(0), statuses.to_vec());
    let headers_seen = Arc::clone(&seen);
    let answer = move |headers: Headers| {
        headers_seen.lock().expect("not poisoned").push(headers);
        let call = calls.fetch_add(1, Ordering::Relaxed);
        let status = statuses[call.min(statuses.len() - 1)];
        async move { StatusCode::from_u16(status).expect("a status") }
    };
    let answer = Arc::new(answer);
    let route = post(move |headers: Headers| (*answer)(headers));
    let app = Router::new().route(PUSH_PATH, route);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, app).await });
    (format!("http://{address}"), seen)
}

async fn send_one(endpoint: String, outcome: &str) -> u64 {
    let config = config::Loki {
        endpoint: Some(endpoint),
        tenant: Some("team-a".to_owned()),
        ..config::Loki::default()
    };
    let policy = Policy {
        linger: Duration::from_millis(5),
        first_pause: Duration::from_millis(1),
        attempts: 3,
        ..Policy::default()
    };
    let telemetry = Telemetry::new();
    let ready = ready_with(&config, policy)
        .expect("settings are valid")
        .expect("an endpoint is set");
    let handle = ExporterHandle::start(ready, telemetry.own().exporter(EXPORTER));
    handle
        .sender()
        .try_send(Arc::new(testing::log("shop", "hello", true)));
    handle.shutdown(Duration::from_secs(10)).await;
    let name = format!("golens_export_items_total{{exporter=\"loki\",outcome=\"{outcome}\"}}");
    telemetry.own().totals().get(&name).copied().unwrap_or(0)
}

#[tokio::test]
async fn a_busy_or_broken_server_is_asked_again() {
    let (endpoint, seen) = server(&[429, 500, 204]).await;
    assert_eq!(send_one(endpoint, "sent").await, 1);
    let seen = seen.lock().expect("not poisoned");
    assert_eq!(seen.len(), 3);
    assert_eq!(seen[2]["x-scope-orgid"], "team-a");
    assert_eq!(seen[2]["content-type"], "application/x-protobuf");
}

#[tokio::test]
async fn a_bad_request_is_never_repeated() {
    let (endpoint, seen) = server(&[400]).await;
    assert_eq!(send_one(endpoint, "refused").await, 1);
    assert_eq!(seen.lock().expect("not poisoned").len(), 1);
}

#[test]
fn the_push_path_is_added_once() {
    let cases = [
        ("http://loki:3100", "http://loki:3100/loki/api/v1/push"),
        ("http://loki:3100/", "http://loki:3100/loki/api/v1/push"),
        ("loki:3100", "http://loki:3100/loki/api/v1/push"),
        (
            "https://gate/tenant",
            "https://gate/tenant/loki/api/v1/push",
        ),
        (
            "http://loki:3100/loki/api/v1/push",
            "http://loki:3100/loki/api/v1/push",
        ),
    ];
    for (endpoint, expected) in cases {
        assert_eq!(url(endpoint).as_deref(), Ok(expected), "{endpoint}");
    }
    assert!(url("ftp://loki").is_err());
    assert!(url("http://").is_err());
}

#[test]
fn credentials_in_an_address_are_refused_and_not_shown() {
    let config = config::Loki {
        endpoint: Some("http://user:hunter2@loki:3100".to_owned()),
        ..config::Loki::default()
    };
    let error = ready(&config).expect_err("credentials are refused");
    let text = error.to_string();
    assert!(
        text.contains("headers") && text.contains("loki:3100"),
        "{text}"
    );
    assert!(!text.contains("hunter2"), "{text}");
}
