//! A real OpenBao wraps the data keys. Long, because its build takes minutes: `cargo xtask test --all` builds
//! it once and passes its path in `GOLENS_OPENBAO`.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up must stop"
)]

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "secrets/folder.rs"]
mod folder;

use std::{
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use config::{
    Secret, Trust,
    secrets::{Keyring, Keys, Provider, SecretError, VaultSettings, VaultToken, VaultTransit},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::folder::Folder;

struct OpenBao {
    process: Child,
    address: SocketAddr,
}

impl OpenBao {
    async fn start() -> Self {
        let program = std::env::var_os("GOLENS_OPENBAO");
        let program = program
            .expect("GOLENS_OPENBAO names no binary: start this by `cargo xtask test --all`");
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let process = Command::new(program)
            .args([
                "server",
                "-dev",
                "-dev-root-token-id=root",
                "-dev-no-store-token",
            ])
            .arg(format!("-dev-listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let bao = Self { process, address };
        let deadline = Instant::now() + Duration::from_secs(60);
        while !bao.is_ready().await {
            assert!(Instant::now() < deadline, "OpenBao is not ready");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bao
    }

    async fn is_ready(&self) -> bool {
        TcpStream::connect(self.address).await.is_ok()
            && self
                .call("GET", "sys/health", "")
                .await
                .starts_with("HTTP/1.1 200")
    }

    /// The whole answer.
    async fn call(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!(
            "{method} /v1/{path} HTTP/1.1\r\nHost: bao\r\nX-Vault-Token: root\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// Calls, and wants a good answer.
    async fn done(&self, method: &str, path: &str, body: &str) {
        let answer = self.call(method, path, body).await;
        assert!(answer.starts_with("HTTP/1.1 20"), "{path}: {answer}");
    }

    fn transit(&self, token: &str) -> Arc<dyn Provider> {
        let transit = VaultTransit::new(VaultSettings {
            address: format!("http://{}", self.address),
            mount: "transit".to_owned(),
            key: "golens".to_owned(),
            token: VaultToken::Given(Secret::new(token.to_owned())),
            namespace: String::new(),
            trust: Trust::default(),
        });
        Arc::new(transit.unwrap())
    }

    fn stop(&mut self) {
        // Fails only for a process that has ended and was waited for.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Drop for OpenBao {
    fn drop(&mut self) {
        self.stop();
    }
}

#[tokio::test]
async fn openbao_wraps_the_keys_and_new_values_need_it() {
    let mut bao = OpenBao::start().await;
    bao.done("POST", "sys/mounts/transit", r#"{"type":"transit"}"#)
        .await;
    bao.done("POST", "transit/keys/golens", "{}").await;

    let folder = Folder::new();
    let path = folder.path("keys.json");
    let transit = bao.transit("root");
    let keys = Keys::with_ring(&path, Keyring::default(), Arc::clone(&transit));
    keys.rotate().await.unwrap();
    let sealed = keys.seal("prod", "db.password", "hunter2").await.unwrap();
    let wrapped = |version: &str| {
        let ring = Keyring::load(&path).unwrap();
        ring.keys()
            .iter()
            .all(|key| key.wrapped.starts_with(version))
    };
    assert!(wrapped("vault:v1:"));

    // The wrapping key is rotated; the data key is wrapped again, and values stay as they are.
    bao.done("POST", "transit/keys/golens/rotate", "{}").await;
    keys.rewrap().await.unwrap();
    assert!(wrapped("vault:v2:"));
    bao.done(
        "POST",
        "transit/keys/golens/config",
        r#"{"min_decryption_version":2}"#,
    )
    .await;
    let other = Keys::load(&path, transit).unwrap();
    let opened = other.open("prod", "db.password", &sealed).await.unwrap();
    assert_eq!(**opened, *b"hunter2");

    let stranger = Keys::load(&path, bao.transit("not a token")).unwrap();
    let refused = stranger
        .open("prod", "db.password", &sealed)
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("403"), "{refused}");
    assert!(!refused.is_transient());

    // Without OpenBao what is unwrapped works on, and what is not is refused for now.
    bao.stop();
    assert!(other.open("prod", "db.password", &sealed).await.is_ok());
    let late = Keys::load(&path, bao.transit("root")).unwrap();
    let refused = late.open("prod", "db.password", &sealed).await.unwrap_err();
    assert!(
        matches!(refused, SecretError::Provider(_)) && refused.is_transient(),
        "{refused}"
    );
}
