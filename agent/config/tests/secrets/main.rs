//! Sealed values as a node meets them: keyrings on disk, key services that fail, keys that are replaced.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up must stop"
)]

mod files;
mod folder;
mod key_service;
mod keys;
mod vault;
