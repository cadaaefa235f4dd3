//! What is kept of documents: asked of the running agent, or read from its folder when none runs.

use std::{io::ErrorKind, path::Path};

use ::config::{
    Archive, ArchiveError, Diff, DocumentId, Generation,
    serve::control::{Done, Standing, Wish},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde::de::DeserializeOwned;
use state::{
    Options, Store,
    audit::{Entry, Verified},
};

use super::{super::CliError, history::socket};
use crate::{
    doctor::error_chain,
    documents::{FILE, FOLDER},
};

/// Where it is.
pub(super) enum Kept {
    /// With the agent that answers at its socket.
    Agent(reqwest::Client),
    /// In a folder that no agent has open.
    Folder(Archive),
}

fn failed(error: impl std::fmt::Display) -> CliError {
    CliError::Documents {
        detail: error.to_string(),
    }
}

impl Kept {
    /// What is kept in the state folder of an agent.
    pub(super) async fn at(state: &Path) -> Result<Self, CliError> {
        let socket = socket(state);
        if answers(&socket).await? {
            // There is no TLS at a socket, but the client wants a provider chosen before it is built.
            let _already_chosen = rustls::crypto::ring::default_provider().install_default();
            let client = reqwest::Client::builder().unix_socket(socket).no_proxy();
            return Ok(Self::Agent(client.build().map_err(failed)?));
        }
        let file = state.join(FOLDER).join(FILE);
        let exists = file.try_exists();
        if !exists.map_err(|error| failed(format_args!("{}: {error}", file.display())))? {
            return Err(failed(format_args!(
                "no agent has run with this state: {} is not there; name the folder with --state",
                file.display()
            )));
        }
        let opened = Store::open(&file, &Options::default());
        let opened = opened
            .map_err(|error| failed(format_args!("{}: {}", file.display(), error_chain(&error))))?;
        Ok(Self::Folder(Archive::new(opened.store.into())))
    }

    /// Words for when an order takes effect.
    pub(super) fn takes_effect(&self) -> &'static str {
        match self {
            Self::Agent(_) => "",
            Self::Folder(_) => " when golens starts",
        }
    }

    pub(super) async fn standings(&self) -> Result<Vec<Standing>, CliError> {
        match self {
            Self::Agent(client) => ask(client, Method::GET, "documents", None).await,
            Self::Folder(archive) => {
                let ids = archive.documents().map_err(failed)?;
                let stands = ids.iter().map(|id| {
                    Ok(Standing {
                        document: id.to_string(),
                        position: archive.position(id)?,
                    })
                });
                let stands: Result<Vec<_>, ArchiveError> = stands.collect();
                stands.map_err(failed)
            }
        }
    }

    /// The generation of a document that is in force.
    pub(super) async fn in_force(&self, id: &DocumentId) -> Result<u64, CliError> {
        let name = id.to_string();
        let standings = self.standings().await?;
        let found = standings.into_iter().find(|it| it.document == name);
        let found = found.ok_or_else(|| failed(ArchiveError::NoDocument(id.clone())))?;
        Ok(found.position.serving)
    }

    pub(super) async fn generations(&self, id: &DocumentId) -> Result<Vec<Generation>, CliError> {
        match self {
            Self::Agent(client) => ask(client, Method::GET, &path(id, "history"), None).await,
            Self::Folder(archive) => {
                archive.position(id).map_err(failed)?;
                archive.generations(id).map_err(failed)
            }
        }
    }

    pub(super) async fn diff(&self, id: &DocumentId, from: u64, to: u64) -> Result<Diff, CliError> {
        match self {
            Self::Agent(client) => {
                let path = format!("{}?from={from}&to={to}", path(id, "diff"));
                ask(client, Method::GET, &path, None).await
            }
            Self::Folder(archive) => archive.diff(id, from, to).await.map_err(failed),
        }
    }

    pub(super) async fn rollback(
        &self,
        id: &DocumentId,
        to: u64,
        reason: &str,
    ) -> Result<Done, CliError> {
        match self {
            Self::Agent(client) => {
                let wish = Wish {
                    to: Some(to),
                    reason: reason.to_owned(),
                };
                ask(client, Method::POST, &path(id, "rollback"), Some(&wish)).await
            }
            Self::Folder(archive) => {
                let done = archive.rollback(id, to, &actor(), reason).await;
                done.map(|generation| Done { generation }).map_err(failed)
            }
        }
    }

    pub(super) async fn unpin(&self, id: &DocumentId, reason: &str) -> Result<Done, CliError> {
        match self {
            Self::Agent(client) => {
                let wish = Wish {
                    to: None,
                    reason: reason.to_owned(),
                };
                ask(client, Method::POST, &path(id, "unpin"), Some(&wish)).await
            }
            Self::Folder(archive) => {
                let done = archive.unpin(id, &actor(), reason).await;
                done.map(|generation| Done { generation }).map_err(failed)
            }
        }
    }

    pub(super) async fn audit(&self, most: usize) -> Result<Vec<Entry>, CliError> {
        match self {
            Self::Agent(client) => {
                ask(client, Method::GET, &format!("audit?most={most}"), None).await
            }
            Self::Folder(archive) => archive.audit(most).map_err(failed),
        }
    }

    pub(super) async fn verify_audit(&self) -> Result<Verified, CliError> {
        match self {
            Self::Agent(client) => ask(client, Method::GET, "audit/verify", None).await,
            Self::Folder(archive) => archive.verify_audit().map_err(failed),
        }
    }
}

/// Whether an agent answers at a socket. When only others may ask, the state is not free to be read either.
async fn answers(socket: &Path) -> Result<bool, CliError> {
    match tokio::net::UnixStream::connect(socket).await {
        Ok(_stream) => Ok(true),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(failed(format_args!(
            "cannot ask the agent at {}: {error}; ask as the user that golens runs as",
            socket.display()
        ))),
        // None has run, or one has ended and left its socket.
        Err(_) => Ok(false),
    }
}

/// Who gives an order without an agent.
fn actor() -> String {
    format!("user {}", rustix::process::getuid().as_raw())
}

fn path(id: &DocumentId, verb: &str) -> String {
    let encoded = |part: &str| utf8_percent_encode(part, NON_ALPHANUMERIC).to_string();
    let (namespace, name) = (encoded(id.namespace()), encoded(id.name()));
    format!("documents/{namespace}/{name}/{verb}")
}

async fn ask<T: DeserializeOwned>(
    client: &reqwest::Client,
    method: Method,
    path: &str,
    wish: Option<&Wish>,
) -> Result<T, CliError> {
    let unanswered = |error: reqwest::Error| failed(error_chain(&error));
    let mut request = client.request(method, format!("http://golens/v1/{path}"));
    if let Some(wish) = wish {
        request = request.json(wish);
    }
    let response = request.send().await.map_err(unanswered)?;
    let status = response.status();
    let body = response.text().await.map_err(unanswered)?;
    match status.is_success() {
        true => serde_json::from_str(&body).map_err(failed),
        false => Err(failed(body.trim())),
    }
}
