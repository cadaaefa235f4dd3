//! A real etcd with one member, on loopback and in a folder of its own. Tests speak to it by its JSON
//! gateway, so that they share no code with what they test.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU8, Ordering},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value as Json, json};

use crate::{http::post, support::Folder};

/// How long etcd may take to answer after its start.
const PATIENCE: Duration = Duration::from_secs(20);

/// Port of encrypted connections.
pub(crate) const ENCRYPTED: u16 = 2_378;

/// Certificate and key of the server, and the authority that its clients must be signed by.
pub(crate) struct Encryption {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) authority: PathBuf,
}

pub(crate) struct Etcd {
    folder: Folder,
    pub(crate) address: SocketAddr,
    peer: SocketAddr,
    encryption: Option<Encryption>,
    process: Child,
}

impl Etcd {
    pub(crate) async fn start() -> Self {
        Self::on(own_host(), None).await
    }

    /// Answers encrypted as well.
    pub(crate) async fn on(host: Ipv4Addr, encryption: Option<Encryption>) -> Self {
        let folder = Folder::new();
        let [address, peer] = [2_379, 2_380].map(|port| SocketAddr::from((host, port)));
        let process = spawn(&folder, address, peer, encryption.as_ref());
        let etcd = Self {
            folder,
            address,
            peer,
            encryption,
            process,
        };
        etcd.ready().await;
        etcd
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again, with what it had on disk.
    pub(crate) async fn restart(&mut self) {
        self.process = spawn(
            &self.folder,
            self.address,
            self.peer,
            self.encryption.as_ref(),
        );
        self.ready().await;
    }

    /// Stops it in its tracks: connections stay open, and nothing is answered.
    pub(crate) fn pause(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let id = self.process.id().to_string();
        let status = Command::new("kill").args([signal, &id]).status().unwrap();
        assert!(status.success());
    }

    pub(crate) async fn put(&self, key: &str, value: &str) {
        let put = json!({"key": encoded(key), "value": encoded(value)});
        self.ask("kv/put", put).await;
    }

    pub(crate) async fn delete(&self, key: &str) {
        self.ask("kv/deleterange", json!({"key": encoded(key)}))
            .await;
    }

    /// Writes several keys at one revision.
    pub(crate) async fn put_together(&self, rows: &[(&str, &str)]) {
        let put = |(key, value): &(&str, &str)| json!({"requestPut": {"key": encoded(key), "value": encoded(value)}});
        let puts: Vec<_> = rows.iter().map(put).collect();
        self.ask("kv/txn", json!({"success": puts})).await;
    }

    /// Forgets everything but the newest revision.
    pub(crate) async fn compact(&self) {
        let answer = self.ask("kv/range", json!({"key": encoded("/")})).await;
        let revision = &answer["header"]["revision"];
        self.ask("kv/compaction", json!({"revision": revision}))
            .await;
    }

    /// From now on `reader` sees what begins with `prefix`, and nobody anything without a password.
    pub(crate) async fn protect(&self, reader: &str, password: &str, prefix: &str, end: &str) {
        for (user, password) in [("root", "root"), (reader, password)] {
            let user = json!({"name": user, "password": password});
            self.ask("auth/user/add", user).await;
        }
        for role in ["root", "reads"] {
            self.ask("auth/role/add", json!({"name": role})).await;
        }
        let permission =
            json!({"permType": "READ", "key": encoded(prefix), "range_end": encoded(end)});
        let grant = json!({"name": "reads", "perm": permission});
        self.ask("auth/role/grant", grant).await;
        for (user, role) in [("root", "root"), (reader, "reads")] {
            let grant = json!({"user": user, "role": role});
            self.ask("auth/user/grant", grant).await;
        }
        self.ask("auth/enable", json!({})).await;
    }

    /// Writes a key as root.
    pub(crate) async fn put_as_root(&self, key: &str, value: &str) {
        let user = json!({"name": "root", "password": "root"});
        let answer = self.ask("auth/authenticate", user).await;
        let token = answer["token"].as_str().unwrap();
        let put = json!({"key": encoded(key), "value": encoded(value)}).to_string();
        let header = format!("Authorization: {token}\r\n");
        let written = post(self.address, "/v3/kv/put", &header, &put).await;
        assert!(written.is_some());
    }

    async fn ask(&self, call: &str, body: Json) -> Json {
        let answer = post(self.address, &format!("/v3/{call}"), "", &body.to_string()).await;
        let answer = answer.unwrap_or_else(|| panic!("etcd refused {call} {body}"));
        serde_json::from_str(&answer).unwrap()
    }

    async fn ready(&self) {
        let until = Instant::now() + PATIENCE;
        let any = json!({"key": encoded("/")}).to_string();
        // With passwords it answers with a refusal, which is an answer.
        let status = json!({}).to_string();
        while post(self.address, "/v3/kv/range", "", &any).await.is_none()
            && post(self.address, "/v3/maintenance/status", "", &status)
                .await
                .is_none()
        {
            assert!(Instant::now() < until, "etcd does not answer");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn encoded(text: &str) -> String {
    STANDARD.encode(text)
}

fn spawn(
    folder: &Folder,
    address: SocketAddr,
    peer: SocketAddr,
    encryption: Option<&Encryption>,
) -> Child {
    let (mut clients, peer) = (format!("http://{address}"), format!("http://{peer}"));
    let mut command = Command::new(binary());
    if let Some(encryption) = encryption {
        clients.push_str(&format!(",https://{}:{ENCRYPTED}", address.ip()));
        command
            .arg("--cert-file")
            .arg(&encryption.certificate)
            .arg("--key-file")
            .arg(&encryption.key)
            .arg("--trusted-ca-file")
            .arg(&encryption.authority)
            .arg("--client-cert-auth");
    }
    command
        .arg("--data-dir")
        .arg(folder.0.join("data"))
        .args(["--listen-client-urls", &clients])
        .args(["--advertise-client-urls", &clients])
        .args(["--listen-peer-urls", &peer])
        .args(["--initial-advertise-peer-urls", &peer])
        .args(["--initial-cluster", &format!("default={peer}")])
        .args(["--log-level", "error"])
        // Tests do not ask what a power failure leaves.
        .arg("--unsafe-no-fsync")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn binary() -> PathBuf {
    if let Some(given) = std::env::var_os("GOLENS_ETCD") {
        return given.into();
    }
    let cache = PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/golens/backends");
    let kept = fs::read_dir(&cache).into_iter().flatten().flatten();
    let binaries = kept
        .filter(|entry| {
            entry
                .file_name()
                .to_string_lossy()
                .starts_with("etcd-server-")
        })
        .map(|entry| entry.path().join("usr/bin/etcd"))
        .filter(|path| path.is_file());
    binaries
        .max()
        .unwrap_or_else(|| panic!("no etcd in {}: `cargo xtask test` gets it", cache.display()))
}

/// A loopback address that nobody else uses: a port of a shared one could be taken while etcd is down.
pub(crate) fn own_host() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, high | 0x80, low, NEXT.fetch_add(1, Ordering::Relaxed))
}
