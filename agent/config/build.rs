//! Makes Rust of `proto/`, without protoc.

use std::io;

const ETCD: &str = "etcd/rpc.proto";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=proto");
    let etcd = protox::compile([ETCD], ["proto"]).map_err(io::Error::other)?;
    tonic_prost_build::configure()
        .build_transport(false)
        .build_server(false)
        .compile_fds(etcd)
}
