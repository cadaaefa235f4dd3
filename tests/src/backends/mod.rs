//! Real Prometheus, Loki, Tempo and etcd on free loopback ports, and their query APIs.
//!
//! `cargo xtask setup --backends` gets the binaries; `cargo xtask` passes their paths in
//! `GOLENS_PROMETHEUS`, `GOLENS_LOKI`, `GOLENS_TEMPO` and `GOLENS_ETCD`. Each server writes into a directory of its own
//! and is killed when its value is dropped.

pub mod dashboard;
mod etcd;
mod http;
mod loki;
pub mod pivot;
mod prometheus;
mod server;
mod tempo;

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

pub use etcd::Etcd;
pub use http::{encode, get_json};
pub use loki::{Line, Loki};
pub use prometheus::{Exemplar, Prometheus, Series};
pub(crate) use server::end_with_us;
pub use server::{Server, wait_for};
pub use tempo::{Tempo, TraceSpan};

/// The binary that a variable set by xtask names.
fn binary(variable: &str) -> Result<PathBuf> {
    env::var_os(variable)
        .map(PathBuf::from)
        .filter(|path| path.is_file())
        .with_context(|| format!("{variable} names no binary; start this through `cargo xtask`"))
}

/// A configuration file of this repository's `tests/backends`.
fn configuration(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("backends")
        .join(name)
}
