//! The node's service registry: who offers which service where, and whether it is well.
//!
//! [`Registry`] is the engine: every front end (Consul's HTTP API, gRPC, DNS) and every source (API calls,
//! discovered processes, etcd) speaks to it, and it to the durable state of the crate `state`.
//! A change is on disk before it is acknowledged or visible. Readers take an immutable [`ServiceView`]
//! without a lock that writers hold; whoever waits for news waits for one key ([`WatchKey`]) and is never
//! woken by somebody else's change.
#![forbid(unsafe_code)]

mod caller;
mod certificate;
mod checks;
pub mod cluster;
pub mod consul;
mod degrade;
pub mod dns;
mod engine;
mod error;
pub mod grpc;
mod limits;
pub mod model;
mod resolve;
pub mod standalone;
mod view;
mod wheel;

pub use caller::{ByPeer, Caller, CallerIdentity, Identified};
pub use certificate::{CertificateRule, CertificateRules};
pub use checks::ProbeOptions;
pub use degrade::{
    BreakerSettings, BreakerState, ClusterStatus, Freshness, FreshnessSettings, ProtectionSettings,
    Trust,
};
pub use engine::{Changed, Options, Registry, Statistics, Transaction, WatchKey};
pub use error::{OpenError, RegistryError};
pub use limits::{Limited, Limiter, Limits, Wait};
pub use listen;
pub use listen::Peer;
pub use resolve::{Fallback, Matched, ResolveCounts, Resolved, TagRule, TagRules, Tagged, Wish};
pub use state;
pub use state::Revision;
pub use view::{Entry, NodeList, Rendering, ServiceList, ServiceSummary, ServiceView};
