//! A real etcd with one member or some, on loopback, each in a folder of its own.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use registry::cluster::proto::{
    CompactionRequest, LeaseLeasesRequest, LeaseRevokeRequest, LeaseTimeToLiveRequest,
    RangeRequest, kv_client::KvClient, lease_client::LeaseClient,
};
use registry::state;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::transport::{Channel, Endpoint};

use super::Certificates;

/// Killed, and its folder removed, when it goes out of scope.
pub(crate) struct Etcd {
    pub(crate) address: SocketAddr,
    member: Member,
    process: Child,
}

/// What one member is started with, each time.
struct Member {
    folder: PathBuf,
    address: SocketAddr,
    peer: Peer,
    /// All members, itself as well.
    all: Vec<Peer>,
    security: Security,
}

/// A member as the others know it.
#[derive(Clone)]
struct Peer {
    name: String,
    address: SocketAddr,
}

/// How etcd knows who calls.
#[derive(Clone, Default)]
pub(crate) struct Security {
    /// Its certificate, with which clients must show one of the same authority.
    pub(crate) certificates: Option<Certificates>,
    /// Seconds after which a user's token that nobody uses has expired.
    pub(crate) token_ttl: Option<u32>,
}

impl Security {
    fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        if self.certificates.is_some() {
            arguments.push("--client-cert-auth".to_owned());
        }
        let mut add = |option: &str, value: String| arguments.extend([option.to_owned(), value]);
        if let Some(files) = &self.certificates {
            let path = |path: &Path| path.display().to_string();
            add("--cert-file", path(&files.server.0));
            add("--key-file", path(&files.server.1));
            add("--trusted-ca-file", path(&files.authority));
        }
        if let Some(seconds) = self.token_ttl {
            add("--auth-token-ttl", seconds.to_string());
        }
        arguments
    }
}

impl Etcd {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| Security::default()).await
    }

    /// Starts one that is secured by files in its folder.
    pub(crate) async fn start_with(security: impl FnOnce(&Path) -> Security) -> Self {
        let peer = Peer::new("default".to_owned());
        let mut member = Member::new(peer.clone(), vec![peer]);
        member.security = security(&member.folder);
        let etcd = member.start();
        etcd.ready().await;
        etcd
    }

    /// Starts a cluster of `count` members.
    pub(crate) async fn start_members(count: usize) -> Vec<Self> {
        let names = (1..=count).map(|number| format!("member-{number}"));
        let peers: Vec<_> = names.map(Peer::new).collect();
        let members = peers
            .iter()
            .map(|peer| Member::new(peer.clone(), peers.clone()).start());
        let members: Vec<_> = members.collect();
        for member in &members {
            member.ready().await;
        }
        members
    }

    /// Whether the other members follow this one.
    pub(crate) async fn is_leader(&self) -> bool {
        let status = self.post("/v3/maintenance/status", "{}").await;
        let id = |name: &str| {
            let (_, rest) = status.split_once(&format!("\"{name}\":\""))?;
            rest.split('"').next()
        };
        id("leader").is_some() && id("leader") == id("member_id")
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again, with what it had on disk.
    pub(crate) async fn restart(&mut self) {
        self.rejoin();
        self.ready().await;
    }

    /// The same for a member that cannot answer before others are back.
    pub(crate) fn rejoin(&mut self) {
        self.process = self.member.spawn();
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

    /// Every lease with the number of its keys.
    pub(crate) async fn leases(&self) -> Vec<(i64, usize)> {
        let mut client = LeaseClient::new(self.channel().await);
        let all = client.lease_leases(LeaseLeasesRequest {}).await.unwrap();
        let mut leases = Vec::new();
        for lease in all.into_inner().leases {
            let asked = LeaseTimeToLiveRequest {
                id: lease.id,
                keys: true,
            };
            let answer = client.lease_time_to_live(asked).await.unwrap().into_inner();
            leases.push((lease.id, answer.keys.len()));
        }
        leases
    }

    pub(crate) async fn revoke(&self, id: i64) {
        let mut client = LeaseClient::new(self.channel().await);
        client
            .lease_revoke(LeaseRevokeRequest { id })
            .await
            .unwrap();
    }

    /// Keys that contain `part`.
    pub(crate) async fn keys(&self, part: &str) -> Vec<String> {
        let (keys, _) = self.read().await;
        keys.into_iter().filter(|key| key.contains(part)).collect()
    }

    /// Forgets everything but the newest revision.
    pub(crate) async fn compact(&self) {
        let (_, revision) = self.read().await;
        let mut client = KvClient::new(self.channel().await);
        client
            .compact(CompactionRequest { revision })
            .await
            .unwrap();
    }

    async fn read(&self) -> (Vec<String>, i64) {
        let all = RangeRequest {
            key: b"/".to_vec(),
            range_end: b"0".to_vec(),
            ..RangeRequest::default()
        };
        let mut client = KvClient::new(self.channel().await);
        let answer = client.range(all).await.unwrap().into_inner();
        let keys = answer
            .kvs
            .into_iter()
            .map(|kv| String::from_utf8(kv.key).unwrap());
        (keys.collect(), answer.header.unwrap().revision)
    }

    /// Makes `user`, who may use the keys of registries, and lets nobody else in from now on.
    pub(crate) async fn let_in_only(&self, user: &str, password: &str) {
        let range = r#""key":"L2dvbGVucy9yZWdpc3RyeS8=","range_end":"L2dvbGVucy9yZWdpc3RyeTA=""#;
        for (path, body) in [
            (
                "user/add",
                r#"{"name":"root","password":"root"}"#.to_owned(),
            ),
            ("role/add", r#"{"name":"root"}"#.to_owned()),
            ("user/grant", r#"{"user":"root","role":"root"}"#.to_owned()),
            (
                "user/add",
                format!(r#"{{"name":"{user}","password":"{password}"}}"#),
            ),
            ("role/add", r#"{"name":"registries"}"#.to_owned()),
            (
                "role/grant",
                format!(r#"{{"name":"registries","perm":{{"permType":"READWRITE",{range}}}}}"#),
            ),
            (
                "user/grant",
                format!(r#"{{"user":"{user}","role":"registries"}}"#),
            ),
            ("enable", "{}".to_owned()),
        ] {
            self.post(&format!("/v3/auth/{path}"), &body).await;
        }
    }

    /// Asks its JSON gateway.
    async fn post(&self, path: &str, body: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(self.address).await.unwrap();
        let length = body.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: etcd\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        answer
    }

    async fn channel(&self) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
        endpoint.connect().await.unwrap()
    }

    /// Waits until it answers.
    pub(crate) async fn ready(&self) {
        super::eventually("etcd answers", async || {
            if self.member.security.certificates.is_some() {
                return tokio::net::TcpStream::connect(self.address).await.is_ok();
            }
            let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
            let Ok(channel) = endpoint.connect().await else {
                return false;
            };
            let one = RangeRequest {
                key: b"/".to_vec(),
                ..RangeRequest::default()
            };
            KvClient::new(channel).range(one).await.is_ok()
        })
        .await;
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        let killed = self.process.kill().and_then(|()| self.process.wait());
        let removed = fs::remove_dir_all(&self.member.folder);
        if !std::thread::panicking() {
            killed.unwrap();
            removed.unwrap();
        }
    }
}

impl Peer {
    fn new(name: String) -> Self {
        let address = free_address();
        Self { name, address }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Member {
    /// One with a folder of its own.
    fn new(peer: Peer, all: Vec<Peer>) -> Self {
        let name = format!("golens-etcd-{}", state::random_hex::<8>().unwrap());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        Self {
            folder,
            address: free_address(),
            peer,
            all,
            security: Security::default(),
        }
    }

    fn start(self) -> Etcd {
        Etcd {
            address: self.address,
            process: self.spawn(),
            member: self,
        }
    }

    fn spawn(&self) -> Child {
        let scheme = match self.security.certificates {
            Some(_) => "https",
            None => "http",
        };
        let client = format!("{scheme}://{}", self.address);
        let own = self.peer.url();
        let all = self
            .all
            .iter()
            .map(|peer| format!("{}={}", peer.name, peer.url()));
        let all = all.collect::<Vec<_>>().join(",");
        Command::new(binary())
            .args(["--name", &self.peer.name])
            .arg("--data-dir")
            .arg(self.folder.join("data"))
            .args(["--listen-client-urls", &client])
            .args(["--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &own])
            .args(["--initial-advertise-peer-urls", &own])
            .args(["--initial-cluster", &all, "--log-level", "error"])
            .args(self.security.arguments())
            // Tests do not ask what a power failure leaves.
            .args(["--unsafe-no-fsync"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }
}

fn binary() -> PathBuf {
    if let Some(given) = std::env::var_os("GOLENS_ETCD") {
        return given.into();
    }
    let cache = PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/golens/backends");
    let kept = fs::read_dir(&cache).into_iter().flatten().flatten();
    let mut binaries: Vec<_> = kept
        .map(|entry| entry.path())
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("etcd-server-"))
        })
        .map(|path| path.join("usr/bin/etcd"))
        .filter(|path| path.is_file())
        .collect();
    binaries.sort();
    binaries
        .pop()
        .unwrap_or_else(|| panic!("no etcd in {}: `cargo xtask test` gets it", cache.display()))
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}
