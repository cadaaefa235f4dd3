//! The audit log: who did what, each entry sealed with the hash of the one before.
//!
//! An entry is written in the same commit as the change it is about. Who changes, removes or inserts an
//! entry in the file breaks the chain, and [`verify`] says where. The newest 100,000 are kept.

mod chain;
mod entry;

pub use chain::{AuditError, Verified, append, latest, verify};
pub use entry::{Entry, Event};
