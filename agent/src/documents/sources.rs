//! Settings of sources become sources.

use std::{env, sync::Arc};

use ::config::{
    FileSource, FixedSource, Secret, Source, SourceError, Trust,
    apollo::{ApolloSettings, ApolloSource, Board},
};

use crate::config::{ApolloNamespace, DocumentSource};

/// The source that settings name. What Apollo says is kept on `board`, if there is one.
///
/// # Errors
/// When an address, a name or a certificate cannot be used.
pub(crate) fn source(
    settings: &DocumentSource,
    board: Option<&Arc<Board>>,
) -> Result<Arc<dyn Source>, SourceError> {
    Ok(match settings {
        DocumentSource::File(path) => Arc::new(FileSource::new(path)),
        DocumentSource::Environment(prefix) => {
            Arc::new(FixedSource::environment(prefix, environment()))
        }
        DocumentSource::Apollo(namespace) => {
            Arc::new(ApolloSource::new(apollo(namespace), board.cloned())?)
        }
    })
}

/// The variables of golens' own environment that are texts.
pub(crate) fn environment() -> impl Iterator<Item = (String, String)> {
    env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn apollo(namespace: &ApolloNamespace) -> ApolloSettings {
    let secret = namespace.secret.as_ref();
    ApolloSettings {
        cluster: namespace.cluster.clone(),
        label: namespace.label.clone(),
        secret: secret.map(|secret| Secret::new(secret.expose().to_owned())),
        trust: Trust {
            authority: namespace.authority.clone(),
            certificate: None,
        },
        ..ApolloSettings::new(&namespace.address, &namespace.app, &namespace.namespace)
    }
}
