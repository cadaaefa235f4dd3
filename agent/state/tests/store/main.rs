//! The store as its users see it, on real files.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on must stop where it is"
)]

mod audit;
mod damage;
mod folder;
mod groups;
mod index;
mod keys;
mod snapshots;
mod tokens;
mod watch;
