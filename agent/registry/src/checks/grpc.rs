//! gRPC checks: `grpc.health.v1.Health/Check`.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response, Uri};
use hyper::{
    body::Incoming,
    client::conn::http2::{self, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::task::JoinSet;
use tonic::body::Body;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tower_service::Service;

use super::{
    connect,
    error::ProbeError,
    outcome::Outcome,
    tls::{Alpn, TlsClients},
};
use crate::model::Tls;

/// `host:port` of `host:port/service`.
pub(super) fn address_of(target: &str) -> &str {
    target
        .split_once('/')
        .map_or(target, |(address, _)| address)
}

pub(super) async fn run(
    target: &str,
    tls: &Tls,
    clients: &TlsClients,
) -> Result<Outcome, ProbeError> {
    let (address, service) = target.split_once('/').unwrap_or((target, ""));
    let scheme = if tls.enabled { "https" } else { "http" };
    let origin = Uri::builder()
        .scheme(scheme)
        .authority(address)
        .path_and_query("/")
        .build()?;
    let stream = connect::open(address, tls, clients, Alpn::H2).await?;
    let failed = |source| ProbeError::Http {
        address: address.to_owned(),
        source,
    };
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (requests, connection) = handshake.map_err(failed)?;
    // Ends with this run, whichever way that ends.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    let mut client = HealthClient::with_origin(Connection(requests), origin);
    let answer = client.check(request).await;
    let answer = answer.map_err(|status| ProbeError::Refused {
        target: target.to_owned(),
        code: status.code(),
        message: status.message().to_owned(),
    })?;
    match answer.into_inner().status() {
        ServingStatus::Serving => Ok(Outcome::passing(format!("gRPC check {target}: success"))),
        other => Err(ProbeError::NotServing {
            target: target.to_owned(),
            said: other.as_str_name(),
        }),
    }
}

/// One connection, as tonic's clients want it.
struct Connection(SendRequest<Body>);

impl Service<Request<Body>> for Connection {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}
