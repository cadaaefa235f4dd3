//! The registry's own protocol, over gRPC, with `grpc.health.v1` and reflection beside it.
//!
//! [`serve`] answers on any number of listeners. `access` finds out who calls, `service` answers the single
//! calls, `watch` and `keep_alive` are the streams, `shared` what all watchers of a service are sent; `read`
//! and `write` turn messages into the model and back. Each `connection` is one task, see `together`.

mod access;
mod codec;
mod connection;
mod error;
mod hidden;
mod keep_alive;
mod read;
mod service;
mod shared;
mod together;
mod watch;
mod write;

use std::sync::Arc;

use listen::{Listener, Shutdown};
use state::tokens::Rights;
use tokio::task::JoinSet;
use tonic::service::Routes;
use tonic_reflection::server as reflection;

use self::{access::Access, server::registry_server::RegistryServer, service::Service};
use crate::{CallerIdentity, CertificateRules, Limiter, Registry, caller::Door};

/// The messages and services of `proto/golens/registry/v1`.
#[expect(
    missing_docs,
    unused_qualifications,
    clippy::allow_attributes_without_reason,
    clippy::missing_errors_doc,
    reason = "the code is generated; its documentation is that of the proto file"
)]
pub mod v1 {
    tonic::include_proto!("golens.registry.v1");
}

/// The server's side of the service; its watches send [`shared::Shared`] in the place of `WatchResponse`.
#[expect(
    unreachable_pub,
    unused_qualifications,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::clone_on_ref_ptr,
    reason = "the code is generated"
)]
mod server {
    include!(concat!(env!("OUT_DIR"), "/server/golens.registry.v1.rs"));
}

/// What the server says of itself by reflection.
const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/registry.bin"));

/// Name of the service, for the health service as well.
pub const SERVICE: &str = "golens.registry.v1.Registry";

/// How the server meets its callers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who calls.
    pub identity: Arc<dyn CallerIdentity>,
    /// What callers without a token may do. Where that is everything, tokens are not looked at.
    pub anonymous: Arc<Rights>,
    /// What clients may do by the names in their certificates, when they show no token.
    pub certificates: Arc<CertificateRules>,
    /// Budgets, to be shared with the other protocols.
    pub limiter: Arc<Limiter>,
}

/// Answers on all `listeners` until `shutdown` turns true; streams are then ended.
///
/// # Errors
/// When the descriptors of the services contradict each other, which no caller can cause.
pub async fn serve(
    listeners: Vec<Listener>,
    registry: Registry,
    settings: Settings,
    shutdown: Shutdown,
) -> Result<(), reflection::Error> {
    let door = Door {
        identity: Arc::clone(&settings.identity),
        certificates: Arc::clone(&settings.certificates),
    };
    let access = Access::new(registry.clone(), &settings);
    let service = Service::new(registry, access, shutdown.clone());
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_serving::<RegistryServer<Service>>().await;
    let described = || {
        reflection::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let routes = Routes::new(RegistryServer::new(service))
        .add_service(health)
        .add_service(described().build_v1()?)
        .add_service(described().build_v1alpha()?)
        .prepare();
    let mut servers = JoinSet::new();
    for listener in listeners {
        servers.spawn(connection::accept(
            listener,
            routes.clone(),
            door.clone(),
            shutdown.clone(),
        ));
    }
    servers.join_all().await;
    Ok(())
}
