//! Documents from their sources to those who read them, with real files and a real store.

mod faults;
mod grpc;
mod history;
mod identity;
#[expect(dead_code, reason = "shared with tests that use all of it")]
#[path = "../secrets/key_service.rs"]
mod key_service;
mod keys;
mod refused;
mod serve;
mod support;
