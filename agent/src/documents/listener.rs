//! One address of the documents: bound, served, and tried again for as long as somebody else has it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ::config::{
    apollo,
    listen::{Address, HTTP_1, Listener, Shutdown, TlsFiles, ending},
    serve,
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
    /// Apollo's.
    Apollo(Arc<apollo::Server>),
}

/// The addresses of golens' own protocol and those of Apollo's.
///
/// # Errors
/// Every one that cannot be, with its place.
pub(crate) fn endpoints(
    settings: &ConfigWatcher,
) -> Result<(Vec<Address>, Vec<Address>), Vec<Problem>> {
    let mut problems = Vec::new();
    let mut plain = |path: &str, texts: &[String]| {
        addresses(&format!("config.{path}"), texts).unwrap_or_else(|wrong| {
            problems.extend(wrong);
            Vec::new()
        })
    };
    let mut http = plain("http", &settings.http);
    let mut apollo = plain("apollo", &settings.apollo);
    match settings.tls.pair() {
        Some(files) => {
            let encrypted = |address| Address::Tls(address, TlsFiles::clone(&files));
            http.extend(settings.https.iter().copied().map(encrypted));
            apollo.extend(settings.apollo_tls.iter().copied().map(encrypted));
        }
        None if settings.https.is_empty() && settings.apollo_tls.is_empty() => {}
        None => problems.push(Problem::new(
            "config.tls",
            "encrypted addresses need a certificate and its key",
        )),
    }
    match problems.is_empty() {
        true => Ok((http, apollo)),
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
        match address.clone().bind(HTTP_1).await {
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
            Self::Apollo(_) => "apollo",
        }
    }

    async fn serve(self, listener: Listener, stop: Shutdown) {
        match self {
            Self::Documents(server) => server.serve(listener, stop).await,
            Self::Apollo(server) => server.serve(listener).await,
        }
    }
}
