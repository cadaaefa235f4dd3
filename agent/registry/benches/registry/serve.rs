//! What this program is when it serves: a registry as `golens registry serve` starts it.

use std::{path::Path, sync::Arc};

use registry::{
    ByPeer, consul, dns,
    listen::Address,
    standalone::{Plan, Standalone},
};

/// Serves until it is killed.
pub(crate) fn registry(folder: &Path) {
    let any = "127.0.0.1:0".parse().expect("an address");
    let plan = Plan {
        cluster: None,
        data: folder.to_owned(),
        node: "node-1".to_owned(),
        node_meta: Default::default(),
        listen: vec![Address::Tcp(any)],
        grpc: vec![Address::Tcp(any)],
        dns: vec![any],
        names: dns::Options::default(),
        snapshot_interval: None,
        settings: consul::Settings::default(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let opened = Standalone::open(plan).await.expect("a registry");
        let addresses = opened.addresses().map(|address| {
            let at = address.rsplit('/').next().unwrap_or_default();
            at.to_owned()
        });
        println!("{}", addresses.collect::<Vec<_>>().join(" "));
        opened.serve(Arc::new(ByPeer), std::future::pending()).await;
    });
}
