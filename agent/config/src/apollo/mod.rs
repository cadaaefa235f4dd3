//! Apollo's protocol, both ways: a server that unmodified clients read from, and a client of a real Apollo.
//!
//! [`Board`] holds what the server answers: releases that were mirrored from upstream, which are on disk and
//! outlive both a restart and upstream, and documents of this node, which stay in memory because their
//! secrets are opened. [`Server`] answers from it; [`ApolloSource`] reads a namespace of another Apollo.

mod board;
mod client;
mod keys;
mod name;
mod properties;
mod release;
mod server;
mod sign;

pub use board::{Board, BoardError};
pub use client::{ApolloSettings, ApolloSource};
pub use keys::{AccessKey, AccessKeys};
pub use name::{DEFAULT_CLUSTER, Key};
pub use release::{Gray, Release, Setting};
pub use server::{Server, Settings};
pub use sign::{Signature, sign};
