//! Makes Rust of `proto/`, without protoc.

use std::{env, fs, io, path::PathBuf};

use prost::Message;

const PROTO: &str = "golens/registry/v1/registry.proto";
const ETCD: &str = "etcd/rpc.proto";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=proto");
    let files = protox::compile([PROTO], ["proto"]).map_err(io::Error::other)?;
    let out = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?);
    // What the server says of itself by reflection.
    fs::write(out.join("registry.bin"), files.encode_to_vec())?;
    tonic_prost_build::configure()
        .build_transport(false)
        .build_server(false)
        .compile_fds(files.clone())?;
    // The server sends messages of watches that many watchers share, encoded once.
    let server = out.join("server");
    fs::create_dir_all(&server)?;
    tonic_prost_build::configure()
        .build_transport(false)
        .build_client(false)
        .codec_path("crate::grpc::codec::SmallCodec")
        .extern_path(".golens.registry.v1", "crate::grpc::v1")
        .extern_path(
            ".golens.registry.v1.WatchResponse",
            "crate::grpc::shared::Shared",
        )
        .out_dir(server)
        .compile_fds(files)?;
    let etcd = protox::compile([ETCD], ["proto"]).map_err(io::Error::other)?;
    tonic_prost_build::configure()
        .build_transport(false)
        .build_server(false)
        .compile_fds(etcd)
}
