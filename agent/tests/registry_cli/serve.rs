//! `golens registry serve`: state that survives, sockets that are taken over, ends that are clean.

use std::process::Command;

use crate::process::{Folder, GOLENS, Serve};

const ANY_PORT: [&str; 5] = ["--no-grpc", "--http", "127.0.0.1:0", "--dns", "127.0.0.1:0"];

async fn register(address: &str, name: &str) {
    let answer = reqwest::Client::new()
        .put(format!("{address}/v1/agent/service/register"))
        .json(&serde_json::json!({ "Name": name, "Port": 8080 }))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
}

async fn ports(address: &str, name: &str) -> Vec<u64> {
    let url = format!("{address}/v1/health/service/{name}");
    let answer = reqwest::get(url).await.unwrap();
    let entries: Vec<serde_json::Value> = answer.json().await.unwrap();
    let ports = entries
        .iter()
        .map(|entry| entry["Service"]["Port"].as_u64());
    ports.map(Option::unwrap).collect()
}

/// reqwest wants a provider chosen, even for plain addresses.
fn choose_provider() {
    drop(rustls::crypto::ring::default_provider().install_default());
}

#[tokio::test]
async fn what_was_registered_survives_every_kind_of_end() {
    choose_provider();
    let folder = Folder::new("registry-serve");
    let mut serve = Serve::start(&folder.0, &ANY_PORT);
    register(&serve.address("http://"), "orders").await;
    for signal in ["TERM", "INT", "KILL"] {
        let status = serve.end(signal);
        assert_eq!(status.success(), signal != "KILL", "{signal}: {status}");
        serve = Serve::start(&folder.0, &ANY_PORT);
        assert_eq!(ports(&serve.address("http://"), "orders").await, [8080]);
    }
}

#[tokio::test]
async fn the_socket_of_a_registry_that_was_killed_is_taken_over() {
    let folder = Folder::new("registry-socket");
    let address = format!("unix://{}/http.sock", folder.0.display());
    let arguments = ["--no-dns", "--no-grpc", "--http", address.as_str()];
    let mut killed = Serve::start(&folder.0, &arguments);
    killed.address("unix://");
    killed.end("KILL");
    let mut next = Serve::start(&folder.0, &arguments);
    assert_eq!(next.address("unix://"), address);
}

#[tokio::test]
async fn without_a_token_nothing_is_allowed_where_the_policy_is_to_deny() {
    choose_provider();
    let folder = Folder::new("registry-policy");
    let arguments = [&ANY_PORT[..], &["--default-policy", "deny"]].concat();
    let mut serve = Serve::start(&folder.0, &arguments);
    let url = format!("{}/v1/catalog/services", serve.address("http://"));
    assert_eq!(reqwest::get(url).await.unwrap().status(), 403);
}

#[test]
fn what_cannot_be_served_is_said_in_one_line() {
    let folder = Folder::new("registry-refused");
    let data = folder.0.display().to_string();
    let missing = format!("{data}/missing.pem");
    let https = [
        "--https",
        "127.0.0.1:0",
        "--cert",
        &missing,
        "--key",
        &missing,
    ];
    let refused = |arguments: &[&str]| {
        let output = Command::new(GOLENS)
            .args(["registry", "serve", "--data", &data])
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let certificate = refused(&[&ANY_PORT[..], &https[..]].concat());
    assert!(certificate.contains(&missing), "{certificate}");
    let address = refused(&["--no-grpc", "--no-dns", "--http", "192.0.2.1:1"]);
    assert!(
        address.contains("cannot listen on http://192.0.2.1:1"),
        "{address}"
    );
}
