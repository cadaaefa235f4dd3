//! Documents for the programs of the node.

pub mod control;
pub mod grpc;
pub mod http;
pub mod keys;
mod server;

pub use server::Server;
