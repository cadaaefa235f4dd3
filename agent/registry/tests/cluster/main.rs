//! Registries that share what they have through a real etcd.
//!
//! etcd is started by the tests, from `$GOLENS_ETCD` or from the cache: `cargo xtask test` fills the one and
//! sets the other.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on must stop where it is"
)]

mod common;
mod failures;
mod leases;
mod members;
mod security;
mod sharing;
