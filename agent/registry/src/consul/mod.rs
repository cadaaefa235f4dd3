//! Consul's agent HTTP API, as far as Go services and their tools use it.
//!
//! [`serve`] answers on any number of listeners. Requests are taken apart in `http`, routed in `routes`,
//! and answered from the registry's views; `types` has the shapes of the JSON.

pub mod compat;
mod duration;
mod error;
mod filter;
mod fold;
pub(crate) mod http;
mod mount;
mod options;
mod query;
mod routes;
mod server;
mod settings;
mod types;

use std::sync::Arc;

use listen::{Listener, Shutdown, http1};
use tokio::task::JoinSet;

pub use self::{
    mount::{KeyMount, Keys},
    server::Server,
    settings::{OWN_SERVICE, Reload, SERF_CHECK, Settings, VERSION},
};
use crate::{
    Caller, Registry, RegistryError,
    model::{DEFAULT_NAMESPACE, InstanceKey, Name, Registration},
};

/// Answers on all `listeners` until `shutdown` turns true; held long polls are then answered at once.
pub async fn serve(listeners: Vec<Listener>, server: Server, shutdown: Shutdown) {
    let server = Arc::new(server::Served(server));
    let mut tasks = JoinSet::new();
    for listener in listeners {
        tasks.spawn(http1::serve(
            listener,
            Arc::clone(&server),
            shutdown.clone(),
        ));
    }
    tasks.join_all().await;
}

/// Registers the service that clients find Consul's servers by, on the registry's own node.
///
/// # Errors
/// The registry did not take it.
pub async fn announce(registry: &Registry, settings: &Settings) -> Result<(), RegistryError> {
    let key = InstanceKey {
        namespace: DEFAULT_NAMESPACE.into(),
        node: Name::clone(registry.node_name()),
        id: OWN_SERVICE.into(),
    };
    let registration = Registration {
        port: settings.server_port,
        meta: [("version".to_owned(), settings.version.clone())].into(),
        ..Registration::new(key, OWN_SERVICE)
    };
    registry.register(registration, &Caller::internal()).await?;
    Ok(())
}
