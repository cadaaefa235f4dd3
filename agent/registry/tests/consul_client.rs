//! The unmodified Go client of Consul against a server of this process.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot start its own server must stop"
)]

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use registry::{
    CallerIdentity, Identified, Options, Peer, ProbeOptions, Registry,
    consul::{self, Server, Settings},
    listen::Listener,
    state,
};
use tokio::{net::TcpListener, sync::watch};

#[derive(Debug)]
struct Anybody;

impl CallerIdentity for Anybody {
    fn identify(&self, _peer: &Peer) -> Identified<'_> {
        Box::pin(std::future::ready("anybody".into()))
    }
}

/// A folder that goes with its owner.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("golens-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

async fn open(folder: &Folder, settings: &Settings) -> Registry {
    let options = Options {
        node: settings.node("node-1", BTreeMap::new()),
        node_checks: vec![Settings::serf_check()],
        state: state::Options::default(),
        probes: ProbeOptions::default(),
        snapshot_interval: None,
    };
    let (registry, recovery) = Registry::open(&folder.0.join("state.redb"), options)
        .await
        .unwrap();
    assert!(recovery.is_none(), "{recovery:?}");
    consul::announce(&registry, settings).await.unwrap();
    registry
}

/// Runs the tests of the Go module and returns what they print when one fails.
fn go_tests(address: SocketAddr) -> Result<(), String> {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/targets/consul");
    let output = Command::new("go")
        .args(["test", "-count=1", "."])
        .env("CONSUL_HTTP_ADDR", address.to_string())
        .current_dir(module)
        .output()
        .map_err(|error| format!("cannot run go: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let printed = [output.stdout, output.stderr].concat();
    Err(String::from_utf8_lossy(&printed).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_go_client_registers_discovers_locks_and_watches() {
    let folder = Folder::new("consul-client");
    let settings = Settings::default();
    let registry = open(&folder, &settings).await;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (end, ends) = watch::channel(false);
    let server = Server::new(registry, settings, Arc::new(Anybody), ends.clone());
    let served = tokio::spawn(consul::serve(vec![Listener::Tcp(listener)], server, ends));
    let tested = tokio::task::spawn_blocking(move || go_tests(address))
        .await
        .unwrap();
    end.send_replace(true);
    served.await.unwrap();
    if let Err(printed) = tested {
        panic!("the tests of the Go module failed:\n{printed}");
    }
}
