//! The node's durable state: what was acknowledged is on disk, and everything has one revision.
//!
//! [`Store`] keeps rows in tables. Changes are closures over a [`Tx`]; a writer thread runs them one after
//! the other, commits up to 256 of them in one transaction with one fsync, then makes them visible, wakes
//! whoever waits for one of the changed rows, and acknowledges. Each change that writes gets the next
//! [`Revision`] and stamps it on every row it touches; a row's index never goes back, not even when the
//! row is deleted, the process killed, or a snapshot restored.
//!
//! On top of rows: [`kv`] (keys, compare-and-set, locks), [`sessions`], [`txn`], [`tokens`], [`audit`],
//! [`snapshot`]. The crate does not know what a service is: other crates bring tables of their own.
#![forbid(unsafe_code)]

pub mod audit;
mod digest;
mod engine;
pub mod kv;
mod memory;
mod random;
mod redb;
mod revision;
mod rows;
pub mod sessions;
pub mod snapshot;
mod store;
pub mod tokens;
pub mod txn;
mod watch;

pub use digest::sha256_hex;
pub use engine::{Engine, EngineError, Row, View, Visitor};
pub use memory::MemoryEngine;
pub use random::{random_hex, random_uuid};
pub use redb::RedbEngine;
pub use revision::Revision;
pub use rows::{Record, Rows, Table, Visit};
pub use store::{
    Committed, OpenError, Opened, Options, Reader, Recovery, Statistics, Store, Tx, WriteError,
    Writing,
};
pub use watch::{Hub, Subscription, Topic, Wake};
