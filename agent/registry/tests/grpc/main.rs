//! The registry's own gRPC protocol: a real server, tonic's client and an unmodified grpc-go.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on must stop where it is"
)]

mod access;
mod calls;
mod go;
mod isolation;
mod server;
mod watch;
