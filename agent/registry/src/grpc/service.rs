//! The calls.

use std::pin::Pin;

use futures_util::Stream;
use listen::Shutdown;
use tonic::{Request, Response, Status, Streaming};

use super::{
    access::Access, keep_alive, read, server::registry_server, shared::Shared, v1, watch, write,
};
use crate::{
    Registry, Wish,
    model::{Health, Name, ServiceKey},
};

/// Messages of a stream.
pub(super) type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Answers calls.
pub(super) struct Service {
    registry: Registry,
    access: Access,
    ends: Shutdown,
}

impl Service {
    pub(super) fn new(registry: Registry, access: Access, ends: Shutdown) -> Self {
        Self {
            registry,
            access,
            ends,
        }
    }
}

#[tonic::async_trait]
impl registry_server::Registry for Service {
    type KeepAliveStream = Messages<v1::KeepAliveResponse>;
    type WatchStream = Messages<Shared>;

    async fn register(
        &self,
        request: Request<v1::RegisterRequest>,
    ) -> Result<Response<v1::RegisterResponse>, Status> {
        let caller = self.access.admit(&request)?;
        let registration = read::registration(request.into_inner(), self.registry.node_name())?;
        let changed = self.registry.register(registration, &caller).await?;
        Ok(Response::new(v1::RegisterResponse {
            revision: changed.revision.0,
            changed: changed.changed,
        }))
    }

    async fn deregister(
        &self,
        request: Request<v1::DeregisterRequest>,
    ) -> Result<Response<v1::DeregisterResponse>, Status> {
        let caller = self.access.admit(&request)?;
        let key = read::id(request.into_inner().id, self.registry.node_name())?;
        let changed = self.registry.deregister(&key, &caller).await?;
        let revision = changed.revision.0;
        Ok(Response::new(v1::DeregisterResponse { revision }))
    }

    async fn keep_alive(
        &self,
        request: Request<Streaming<v1::KeepAliveRequest>>,
    ) -> Result<Response<Self::KeepAliveStream>, Status> {
        let taker = keep_alive::Taker {
            registry: self.registry.clone(),
            access: self.access.clone(),
            shown: self.access.credentials(&request)?,
        };
        let answers = keep_alive::answers(taker, request.into_inner(), self.ends.clone());
        Ok(Response::new(answers))
    }

    async fn resolve(
        &self,
        request: Request<v1::ResolveRequest>,
    ) -> Result<Response<v1::ResolveResponse>, Status> {
        let caller = self.access.admit(&request)?;
        let request = request.into_inner();
        let namespace = read::namespace(&request.namespace);
        let service = ServiceKey::new(Name::clone(&namespace), request.service.as_str());
        let wish = Wish {
            namespace: &namespace,
            service: &request.service,
            tags: request.tags.iter().map(String::as_str).collect(),
            worst: Health::Warning,
        };
        let resolved = self.registry.resolve(&wish, &caller)?;
        Ok(Response::new(v1::ResolveResponse {
            revision: resolved.index.0,
            matched: write::matched(resolved.matched).into(),
            instances: resolved.entries.iter().map(write::entry).collect(),
            trust: Some(write::trust(self.registry.trust(Some(&service)))),
        }))
    }

    async fn watch(
        &self,
        request: Request<v1::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let shown = self.access.credentials(&request)?;
        let request = request.into_inner();
        let key = ServiceKey::new(read::namespace(&request.namespace), request.service);
        let (registry, access) = (self.registry.clone(), self.access.clone());
        let watched = watch::Watched::new(registry, access, shown, key, self.ends.clone());
        let from = crate::Revision(request.from_revision);
        Ok(Response::new(watched?.messages(from)))
    }

    async fn set_tags(
        &self,
        request: Request<v1::SetTagsRequest>,
    ) -> Result<Response<v1::SetTagsResponse>, Status> {
        let caller = self.access.admit(&request)?;
        let request = request.into_inner();
        let key = read::id(request.id, self.registry.node_name())?;
        let changed = self.registry.set_tags(&key, request.tags, &caller).await?;
        let revision = changed.revision.0;
        Ok(Response::new(v1::SetTagsResponse { revision }))
    }
}
