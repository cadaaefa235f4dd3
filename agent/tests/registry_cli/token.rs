//! `golens registry token`: what a token allows, from the first one on, in the running registry and beside it.

use std::{path::Path, process::Command};

use crate::process::{Folder, GOLENS, Serve};

/// Runs the verb; what it printed when it ended well, else what it complained about.
fn token(token: Option<&str>, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(GOLENS);
    command.args(["registry", "token"]).args(arguments);
    match token {
        Some(secret) => command.env("GOLENS_REGISTRY_TOKEN", secret),
        None => command.env_remove("GOLENS_REGISTRY_TOKEN"),
    };
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    match output.status.success() {
        true => Ok(text(output.stdout)),
        false => Err(text(output.stderr)),
    }
}

/// Value of a line such as `secret    abc`.
fn value(printed: &str, name: &str) -> String {
    let lines = printed.lines().filter_map(|line| line.split_once(' '));
    let (_, value) = lines.into_iter().find(|(first, _)| *first == name).unwrap();
    value.trim().to_owned()
}

async fn register(address: &str, secret: &str, namespace: &str) -> u16 {
    let answer = reqwest::Client::new()
        .put(format!(
            "{address}/v1/agent/service/register?ns={namespace}"
        ))
        .header("x-consul-token", secret)
        .json(&serde_json::json!({ "Name": "web", "Port": 8080, "Namespace": namespace }))
        .send()
        .await
        .unwrap();
    answer.status().as_u16()
}

fn bytes_of(folder: &Path) -> Vec<u8> {
    std::fs::read(folder.join("golens.redb")).unwrap()
}

#[tokio::test]
async fn a_token_allows_what_it_says_until_it_is_revoked() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let folder = Folder::new("registry-token");
    let data = folder.0.to_str().unwrap();
    // The first one is made while no registry runs.
    let rights = ["--namespace", "*", "--rights", "admin"];
    let admin = token(None, &[&["create", "--data", data][..], &rights].concat()).unwrap();
    let admin = value(&admin, "secret");
    let arguments = [
        "--default-policy",
        "deny",
        "--no-grpc",
        "--no-dns",
        "--http",
        "127.0.0.1:0",
    ];
    let mut serve = Serve::start(&folder.0, &arguments);
    let address = serve.address("http://");

    let create = [
        "create",
        "--address",
        &address,
        "--namespace",
        "shop",
        "--rights",
        "write",
    ];
    let refused = token(None, &create).unwrap_err();
    assert!(refused.contains("403"), "{refused}");
    let made = token(Some(&admin), &create).unwrap();
    let (secret, accessor) = (value(&made, "secret"), value(&made, "accessor"));
    assert_eq!(register(&address, &secret, "shop").await, 200);
    assert_eq!(register(&address, &secret, "bank").await, 403);
    assert_eq!(register(&address, "guess", "shop").await, 403);
    let weak = token(Some(&secret), &["list", "--address", &address]).unwrap_err();
    assert!(weak.contains("403"), "{weak}");

    let listed = token(Some(&admin), &["list", "--address", &address]).unwrap();
    assert_eq!(listed.lines().count(), 2, "{listed}");
    assert!(listed.contains(&accessor) && !listed.contains(&secret));
    let revoke = ["revoke", &accessor, "--address", &address];
    token(Some(&admin), &revoke).unwrap();
    assert_eq!(register(&address, &secret, "shop").await, 403);
    let again = token(Some(&admin), &revoke).unwrap_err();
    assert!(
        again.contains("404") && again.contains("there is no token"),
        "{again}"
    );

    assert!(serve.end("TERM").success());
    let stored = bytes_of(&folder.0);
    for secret in [&admin, &secret] {
        let at = stored
            .windows(secret.len())
            .position(|bytes| bytes == secret.as_bytes());
        assert_eq!(at, None, "a secret is stored");
    }
}
