//! Heartbeats over one stream, for any number of instances.

use std::time::Duration;

use futures_util::stream;
use listen::{Shutdown, ending};
use tonic::{Status as Refusal, Streaming};

use super::{
    access::{Access, Credentials},
    read,
    service::Messages,
    v1, write,
};
use crate::{
    Registry, RegistryError,
    model::{CheckKey, InstanceKey, Status},
};

/// One answer for each heartbeat, in order. The next heartbeat is read when the answer to the last one was
/// taken, so nothing queues up here.
pub(super) fn answers(
    taker: Taker,
    beats: Streaming<v1::KeepAliveRequest>,
    ends: Shutdown,
) -> Messages<v1::KeepAliveResponse> {
    Box::pin(stream::try_unfold(
        (taker, beats, ends),
        |(taker, mut beats, mut ends)| async move {
            let beat = tokio::select! {
                beat = beats.message() => beat?,
                () = ending(&mut ends) => None,
            };
            let Some(beat) = beat else {
                return Ok(None);
            };
            let answer = taker.take(beat).await?;
            Ok(Some((answer, (taker, beats, ends))))
        },
    ))
}

/// Takes the heartbeats of one stream.
pub(super) struct Taker {
    pub(super) registry: Registry,
    pub(super) access: Access,
    pub(super) shown: Credentials,
}

impl Taker {
    async fn take(&self, beat: v1::KeepAliveRequest) -> Result<v1::KeepAliveResponse, Refusal> {
        // Looked at each time: a stream may outlive its token.
        let caller = self.access.caller(&self.shown)?;
        let status = read::status(beat.status()).unwrap_or(Status::Passing);
        let key = read::id(beat.id, self.registry.node_name())?;
        let mut shortest: Option<Duration> = None;
        for (check, ttl) in self.checks(&key, &beat.check) {
            let taken = self
                .registry
                .heartbeat(&check, status, &beat.output, &caller)
                .await;
            match taken {
                Ok(_) => shortest = Some(shortest.map_or(ttl, |shortest| shortest.min(ttl))),
                // It went between the look and the heartbeat.
                Err(RegistryError::UnknownCheck(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(v1::KeepAliveResponse {
            id: Some(write::id(&key)),
            known: shortest.is_some(),
            ttl: shortest.and_then(|ttl| prost_types::Duration::try_from(ttl).ok()),
        })
    }

    /// The TTL checks that a heartbeat is for.
    fn checks(&self, key: &InstanceKey, named: &str) -> Vec<(CheckKey, Duration)> {
        let Some(instance) = self.registry.instance(key) else {
            return Vec::new();
        };
        let is_meant = |id: &str| named.is_empty() || id == named;
        let checks = instance
            .checks
            .iter()
            .filter(|check| is_meant(&check.spec.id));
        checks
            .filter_map(|check| Some((instance.check_key(&check.spec.id), check.spec.ttl()?)))
            .collect()
    }
}
