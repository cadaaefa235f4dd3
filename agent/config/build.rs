//! Makes Rust of `proto/`, without protoc.

use std::{env, fs, io, path::PathBuf};

use prost::Message;

const CONFIG: &str = "golens/config/v1/config.proto";
const ETCD: &str = "etcd/rpc.proto";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=proto");
    let own = protox::compile([CONFIG], ["proto"]).map_err(io::Error::other)?;
    let out = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?);
    // What the server says of itself by reflection.
    fs::write(out.join("config.bin"), own.encode_to_vec())?;
    tonic_prost_build::configure()
        .build_transport(false)
        .compile_fds(own)?;
    let etcd = protox::compile([ETCD], ["proto"]).map_err(io::Error::other)?;
    tonic_prost_build::configure()
        .build_transport(false)
        .build_server(false)
        .compile_fds(etcd)
}
