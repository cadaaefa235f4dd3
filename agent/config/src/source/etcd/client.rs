//! Calls to etcd: read a range at one revision, and follow it from there.

use std::{fs, path::Path, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use tokio::time::timeout;
use tonic::{
    Code, Request, Response, Status, Streaming,
    metadata::{Ascii, MetadataValue},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

use super::{
    EtcdSettings, EtcdUser,
    proto::{self, auth_client, kv_client, watch_client, watch_request},
};
use crate::{Trust, source::keys::Rows};

/// Keys of one page.
const PAGE: i64 = 500;
/// Most bytes that are read together, values and keys.
const MOST: usize = 64 << 20;
/// A connection on which nothing comes is asked for a sign of life this often; etcd allows no more.
const PING_EVERY: Duration = Duration::from_secs(5);
/// A call that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(3);

/// A range of keys: the first, and the first behind it; nothing behind is the key alone.
pub(super) type Range = (Vec<u8>, Vec<u8>);

/// The members of the cluster; any of them will do.
pub(super) struct Members {
    members: Vec<(String, Endpoint)>,
    user: Option<EtcdUser>,
}

impl Members {
    pub(super) fn new(settings: &EtcdSettings) -> Result<Self, String> {
        if settings.endpoints.is_empty() {
            return Err("no endpoint of etcd is given".to_owned());
        }
        let tls = tls(&settings.trust)?;
        let member = |address: &String| Ok((address.clone(), endpoint(address, &tls)?));
        let members: Result<_, String> = settings.endpoints.iter().map(member).collect();
        Ok(Self {
            members: members?,
            user: settings.user.clone(),
        })
    }

    /// Every member in turn, beginning with the one after `last`.
    pub(super) fn in_turn(&self, last: usize) -> impl Iterator<Item = usize> + use<> {
        let count = self.members.len();
        (1..=count).map(move |step| (last + step) % count)
    }

    /// Connects to a member, and shows it who we are.
    pub(super) async fn connect(&self, member: usize) -> Result<Connection, String> {
        let Some((address, endpoint)) = self.members.get(member) else {
            return Err("no such member".to_owned());
        };
        let connected = timeout(PATIENCE, endpoint.connect()).await;
        let channel = match connected {
            Ok(Ok(channel)) => channel,
            Ok(Err(error)) => {
                return Err(format!("cannot connect to {address}: {}", chain(&error)));
            }
            Err(_late) => return Err(format!("{address} took no connection within {PATIENCE:?}")),
        };
        let mut connection = Connection {
            channel,
            address: address.as_str().into(),
            token: None,
        };
        if let Some(user) = &self.user {
            connection.authenticate(user).await?;
        }
        Ok(connection)
    }
}

fn endpoint(address: &str, tls: &ClientTlsConfig) -> Result<Endpoint, String> {
    let wrong = || format!("{address:?} is no address of etcd such as https://10.0.0.5:2379");
    let uri: http::Uri = address.parse().map_err(|_malformed| wrong())?;
    let is_tls = match (uri.scheme_str(), uri.port()) {
        (Some("http"), Some(_)) => false,
        (Some("https"), Some(_)) => true,
        _ => return Err(wrong()),
    };
    let endpoint = Endpoint::from(uri)
        .connect_timeout(PATIENCE)
        .http2_keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PATIENCE)
        .keep_alive_while_idle(true);
    match is_tls {
        true => endpoint
            .tls_config(tls.clone())
            .map_err(|error| chain(&error)),
        false => Ok(endpoint),
    }
}

fn tls(trust: &Trust) -> Result<ClientTlsConfig, String> {
    let read = |file: &Path| {
        fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))
    };
    let tls = match &trust.authority {
        Some(file) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(file)?)),
        None => ClientTlsConfig::new().with_native_roots(),
    };
    Ok(match &trust.certificate {
        Some((certificate, key)) => {
            tls.identity(Identity::from_pem(read(certificate)?, read(key)?))
        }
        None => tls,
    })
}

/// A connection to one member.
pub(super) struct Connection {
    channel: Channel,
    address: Arc<str>,
    token: Option<MetadataValue<Ascii>>,
}

/// What is in a range at one revision.
pub(super) struct Snapshot {
    pub(super) revision: i64,
    pub(super) rows: Rows,
}

impl Connection {
    async fn authenticate(&mut self, user: &EtcdUser) -> Result<(), String> {
        let request = proto::AuthenticateRequest {
            name: user.name.clone(),
            password: user.password.expose().to_owned(),
        };
        let mut auth = auth_client::AuthClient::new(self.channel.clone());
        let answer = self
            .call("the password", auth.authenticate(request))
            .await?;
        let token = answer.token.parse();
        self.token = Some(token.map_err(|_malformed| {
            format!("{} gave a token that cannot be sent back", self.address)
        })?);
        Ok(())
    }

    /// Reads all of a range at its newest revision, a page at a time.
    pub(super) async fn read(&self, (mut key, range_end): Range) -> Result<Snapshot, String> {
        let mut kv = kv_client::KvClient::new(self.channel.clone()).max_decoding_message_size(MOST);
        let (mut revision, mut rows, mut bytes) = (0, Rows::new(), 0);
        loop {
            let request = self.request(proto::RangeRequest {
                key,
                range_end: range_end.clone(),
                limit: PAGE,
                revision,
            });
            let page = self.call("a read", kv.range(request)).await?;
            if revision == 0 {
                revision = page.header.map_or(0, |header| header.revision);
            }
            let last = page.kvs.last().map(|kv| kv.key.clone());
            for kv in page.kvs {
                bytes += kv.key.len() + kv.value.len();
                rows.insert(kv.key, kv.value.into());
            }
            if bytes > MOST {
                return Err(format!("there are more than {MOST} bytes to read"));
            }
            key = match last.filter(|_| page.more) {
                Some(last) => [last.as_slice(), &[0]].concat(),
                None => return Ok(Snapshot { revision, rows }),
            };
        }
    }

    /// Follows a range from a revision on, without a gap.
    pub(super) async fn watch(
        &self,
        (key, range_end): Range,
        start_revision: i64,
    ) -> Result<Streaming<proto::WatchResponse>, String> {
        let create = proto::WatchCreateRequest {
            key,
            range_end,
            start_revision,
        };
        let first = proto::WatchRequest {
            request_union: Some(watch_request::RequestUnion::CreateRequest(create)),
        };
        // The watch is open as long as requests may follow.
        let requests = stream::iter([first]).chain(stream::pending());
        let mut request = self.request(requests);
        // A member that has lost the others ends the watch instead of keeping silent.
        let metadata = request.metadata_mut();
        metadata.insert("hasleader", MetadataValue::from_static("true"));
        let mut watches =
            watch_client::WatchClient::new(self.channel.clone()).max_decoding_message_size(MOST);
        self.call("a watch", watches.watch(request)).await
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            request.metadata_mut().insert("token", token.clone());
        }
        request
    }

    async fn call<T>(
        &self,
        what: &str,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, String> {
        let address = &self.address;
        match timeout(PATIENCE, call).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(format!("{address} refused {what}: {}", told(&status))),
            Err(_late) => Err(format!(
                "{address} did not answer {what} within {PATIENCE:?}"
            )),
        }
    }
}

/// What a status says, for people.
pub(super) fn told(status: &Status) -> String {
    match (status.message(), status.code()) {
        ("", code) => code.to_string(),
        (message, Code::Unknown) => message.to_owned(),
        (message, code) => format!("{message} ({code})"),
    }
}

/// An error with all its causes: tonic's own words say little.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(&format!(": {next}"));
        cause = next.source();
    }
    text
}
