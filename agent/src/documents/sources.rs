//! Settings of sources become sources.

use std::{env, path::PathBuf, sync::Arc};

use ::config::{
    ConsulSettings, ConsulSource, EtcdSettings, EtcdSource, EtcdUser, FileSource, FixedSource,
    Keys, Secret, Source, SourceError, Trust,
    apollo::{ApolloSettings, ApolloSource, Board},
};

use crate::config::{self, ApolloNamespace, ConsulKeys, DocumentSource, EtcdKeys};

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
        DocumentSource::Etcd(settings) => Arc::new(EtcdSource::new(etcd(settings)?)?),
        DocumentSource::Consul(settings) => Arc::new(ConsulSource::new(consul(settings)?)?),
        DocumentSource::Apollo(settings) => {
            Arc::new(ApolloSource::new(apollo(settings), board.cloned())?)
        }
    })
}

/// The variables of golens' own environment that are texts.
pub(crate) fn environment() -> impl Iterator<Item = (String, String)> {
    env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn etcd(settings: &EtcdKeys) -> Result<EtcdSettings, SourceError> {
    let user = settings.user.clone();
    Ok(EtcdSettings {
        endpoints: settings.endpoints.clone(),
        keys: keys(&settings.keys)?,
        user: user.map(|name| EtcdUser {
            name,
            password: secret(settings.password.as_ref())
                .unwrap_or_else(|| Secret::new(String::new())),
        }),
        trust: trust(
            settings.ca.as_ref(),
            settings.cert.as_ref().zip(settings.key.as_ref()),
        ),
    })
}

fn consul(settings: &ConsulKeys) -> Result<ConsulSettings, SourceError> {
    Ok(ConsulSettings {
        data_center: settings.data_center.clone(),
        token: secret(settings.token.as_ref()),
        trust: trust(
            settings.ca.as_ref(),
            settings.cert.as_ref().zip(settings.key.as_ref()),
        ),
        ..ConsulSettings::new(&settings.address, keys(&settings.keys)?)
    })
}

fn apollo(settings: &ApolloNamespace) -> ApolloSettings {
    ApolloSettings {
        cluster: settings.cluster.clone(),
        label: settings.label.clone(),
        secret: secret(settings.secret.as_ref()),
        trust: trust(settings.ca.as_ref(), None),
        ..ApolloSettings::new(&settings.address, &settings.app, &settings.namespace)
    }
}

fn keys(name: &str) -> Result<Keys, SourceError> {
    Keys::of(name).ok_or_else(|| SourceError {
        place: "keys".to_owned(),
        reason: "name a key, or a folder with a slash at its end".to_owned(),
    })
}

fn secret(setting: Option<&config::Secret>) -> Option<Secret> {
    setting.map(|secret| Secret::new(secret.expose().to_owned()))
}

fn trust(ca: Option<&PathBuf>, identity: Option<(&PathBuf, &PathBuf)>) -> Trust {
    Trust {
        authority: ca.cloned(),
        certificate: identity.map(|(cert, key)| (cert.clone(), key.clone())),
    }
}
