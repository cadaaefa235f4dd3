//! Documents from their sources to those who read them, with real files and a real store.

mod faults;
mod grpc;
mod history;
mod keys;
mod serve;
mod support;
