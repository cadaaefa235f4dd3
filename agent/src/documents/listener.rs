//! One address of the documents: bound, served, and tried again for as long as somebody else has it.

use std::{sync::Arc, time::Duration};

use ::config::{
    apollo,
    listen::{Address, HTTP_1, ListenError, Listener, Shutdown, TlsFiles, ending},
    serve,
};

use crate::{
    config::{ConfigWatcher, Problem, addresses},
    doctor::error_chain,
};

/// Between two tries to take an address.
const RETRY: Duration = Duration::from_secs(5);

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
pub(super) async fn keep(address: Address, protocol: Protocol, mut stop: Shutdown) {
    let mut last = None;
    let listener = loop {
        match address.clone().bind(HTTP_1).await {
            Ok((listener, address)) => {
                tracing::info!(%address, protocol = protocol.name(), "documents are served");
                break listener;
            }
            Err(error) => waiting(&address, &error, &mut last),
        }
        tokio::select! {
            () = ending(&mut stop) => return,
            () = tokio::time::sleep(RETRY) => {}
        }
    };
    protocol.serve(listener, stop).await;
}

/// Says once for each reason why nobody is answered.
fn waiting(address: &Address, error: &ListenError, last: &mut Option<String>) {
    let reason = error_chain(error);
    if last.as_ref() != Some(&reason) {
        tracing::warn!(%address, reason, "documents are not served there; golens tries again");
        *last = Some(reason);
    }
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
