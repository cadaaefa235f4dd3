//! One address of the registry: bound, served, and tried again for as long as somebody else has it.

use std::{sync::Arc, time::Duration};

use registry::{
    CallerIdentity, Limiter, Registry,
    consul::{self, Server},
    dns, grpc,
    listen::{ListenError, Listener},
};
use tokio::sync::watch;

use super::{
    plan::Endpoint,
    status::{ListenerReport, Status},
};
use crate::doctor::error_chain;

/// Between two tries to take an address.
const RETRY: Duration = Duration::from_secs(5);

/// What all addresses answer from.
#[derive(Clone)]
pub(super) struct Served {
    pub(super) registry: Registry,
    pub(super) settings: consul::Settings,
    pub(super) names: dns::Options,
    pub(super) identity: Arc<dyn CallerIdentity>,
    pub(super) limiter: Arc<Limiter>,
    pub(super) status: Arc<Status>,
}

/// Where one address is bound.
enum Bound {
    Http(Listener),
    Grpc(Listener),
    Dns(dns::Sockets),
}

/// Answers at one address until `stop`.
pub(super) async fn keep(
    number: usize,
    endpoint: Endpoint,
    served: Served,
    mut stop: watch::Receiver<bool>,
) {
    let report = |address: String, reason: Option<String>| ListenerReport {
        protocol: endpoint.protocol(),
        address,
        listening: reason.is_none(),
        reason,
    };
    let bound = loop {
        match bind(&endpoint).await {
            Ok((bound, address)) => {
                tracing::info!(%address, "the registry answers");
                served.status.listener(number, report(address, None));
                break bound;
            }
            Err(error) => {
                let reason = error_chain(&error);
                let address = endpoint.address();
                let waiting = report(address.clone(), Some(reason.clone()));
                if served.status.listener(number, waiting) {
                    tracing::warn!(
                        address,
                        reason,
                        "the registry does not answer there; it tries again"
                    );
                }
            }
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(RETRY) => {}
        }
    };
    serve(bound, served, stop).await;
}

async fn bind(endpoint: &Endpoint) -> Result<(Bound, String), ListenError> {
    match endpoint.clone() {
        Endpoint::Http(address) => {
            let (listener, address) = address.bind_http().await?;
            Ok((Bound::Http(listener), address.to_string()))
        }
        Endpoint::Grpc(address) => {
            let (listener, address) = address.bind_grpc().await?;
            Ok((Bound::Grpc(listener), format!("grpc+{address}")))
        }
        Endpoint::Dns(address) => {
            let sockets = dns::Sockets::bind(address).await;
            let sockets = sockets.map_err(|source| ListenError::Bind {
                address: endpoint.address(),
                source,
            })?;
            let address = format!("dns://{}", sockets.address());
            Ok((Bound::Dns(sockets), address))
        }
    }
}

async fn serve(bound: Bound, served: Served, stop: watch::Receiver<bool>) {
    match bound {
        Bound::Http(listener) => {
            let server = Server::new(
                served.registry,
                served.settings,
                served.identity,
                stop.clone(),
            );
            let server = server.limited_by(served.limiter);
            consul::serve(vec![listener], server, stop).await;
        }
        Bound::Grpc(listener) => {
            let settings = grpc::Settings {
                identity: served.identity,
                anonymous: Arc::clone(&served.settings.anonymous),
                certificates: Arc::clone(&served.settings.certificates),
                limiter: served.limiter,
            };
            let served = grpc::serve(vec![listener], served.registry, settings, stop);
            if let Err(error) = served.await {
                tracing::error!(%error, "gRPC is not served");
            }
        }
        Bound::Dns(sockets) => {
            let resolver = dns::Resolver::new(served.registry, served.names);
            dns::serve(vec![sockets], resolver, stop).await;
        }
    }
}
