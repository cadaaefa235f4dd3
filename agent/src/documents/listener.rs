//! One address of the documents: bound, served, and tried again for as long as somebody else has it.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ::config::{
    apollo,
    listen::{Address, HTTP_1, HTTP_2, Listener, Shutdown, ending},
    serve::{self, control::Control},
};

use crate::{
    config::{ConfigWatcher, Problem, addresses},
    doctor::error_chain,
    services::ListenerReport,
};

/// Between two tries to take an address.
const RETRY: Duration = Duration::from_secs(5);

/// How all addresses are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listeners(Arc<Mutex<BTreeMap<usize, ListenerReport>>>);

impl Listeners {
    /// All of them, in the order of the settings.
    pub(crate) fn report(&self) -> Vec<ListenerReport> {
        let reports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reports.values().cloned().collect()
    }

    /// Notes how one is; returns whether that is news.
    fn note(&self, number: usize, report: ListenerReport) -> bool {
        let mut reports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = reports.insert(number, report.clone());
        before.is_none_or(|before| before.reason != report.reason)
    }
}

/// What an address answers.
#[derive(Clone)]
pub(super) enum Protocol {
    /// golens' own, over HTTP.
    Documents(Arc<serve::Server>),
    /// golens' own, over gRPC.
    Grpc(Arc<serve::Server>),
    /// Apollo's.
    Apollo(Arc<apollo::Server>),
    /// What people ask and order.
    Control(Arc<Control>),
}

/// The addresses of the documents, by protocol.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Endpoints {
    pub(super) http: Vec<Address>,
    pub(super) grpc: Vec<Address>,
    pub(super) apollo: Vec<Address>,
}

/// Reads them from the settings.
///
/// # Errors
/// Every one that cannot be, with its place.
pub(crate) fn endpoints(settings: &ConfigWatcher) -> Result<Endpoints, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut plain = |path: &str, texts: &[String]| {
        addresses(&format!("config.{path}"), texts).unwrap_or_else(|wrong| {
            problems.extend(wrong);
            Vec::new()
        })
    };
    let mut endpoints = Endpoints {
        http: plain("http", &settings.http),
        grpc: plain("grpc", &settings.grpc),
        apollo: plain("apollo", &settings.apollo),
    };
    let encrypted = [
        (&mut endpoints.http, &settings.https),
        (&mut endpoints.grpc, &settings.grpc_tls),
        (&mut endpoints.apollo, &settings.apollo_tls),
    ];
    let files = settings.tls.pair();
    for (all, addresses) in encrypted {
        match &files {
            Some(files) => {
                let address = |address: &SocketAddr| Address::Tls(*address, files.clone());
                all.extend(addresses.iter().map(address));
            }
            None if addresses.is_empty() => {}
            None => problems.push(Problem::new(
                "config.tls",
                "encrypted addresses need a certificate and its key",
            )),
        }
    }
    match problems.is_empty() {
        true => Ok(endpoints),
        false => Err(problems),
    }
}

/// Answers at one address until `stop`.
pub(super) async fn keep(
    number: usize,
    address: Address,
    protocol: Protocol,
    listeners: Listeners,
    mut stop: Shutdown,
) {
    let report = |address: &Address, reason: Option<String>| ListenerReport {
        protocol: protocol.name(),
        address: address.to_string(),
        listening: reason.is_none(),
        reason,
    };
    let listener = loop {
        match address.clone().bind(protocol.alpn()).await {
            Ok((listener, address)) => {
                tracing::info!(%address, protocol = protocol.name(), "documents are served");
                listeners.note(number, report(&address, None));
                break listener;
            }
            Err(error) => {
                let reason = error_chain(&error);
                if listeners.note(number, report(&address, Some(reason.clone()))) {
                    tracing::warn!(%address, reason, "documents are not served there; golens tries again");
                }
            }
        }
        tokio::select! {
            () = ending(&mut stop) => return,
            () = tokio::time::sleep(RETRY) => {}
        }
    };
    protocol.serve(listener, stop).await;
}

impl Protocol {
    fn name(&self) -> &'static str {
        match self {
            Self::Documents(_) => "http",
            Self::Grpc(_) => "grpc",
            Self::Apollo(_) => "apollo",
            Self::Control(_) => "control",
        }
    }

    fn alpn(&self) -> &'static str {
        match self {
            Self::Grpc(_) => HTTP_2,
            _ => HTTP_1,
        }
    }

    async fn serve(self, listener: Listener, stop: Shutdown) {
        match self {
            Self::Documents(server) => server.serve_http(listener, stop).await,
            Self::Grpc(server) => {
                if let Err(error) = server.serve_grpc(listener, stop).await {
                    tracing::error!(%error, "documents are not served over gRPC");
                }
            }
            Self::Apollo(server) => server.serve(listener).await,
            Self::Control(server) => server.serve(listener, stop).await,
        }
    }
}
