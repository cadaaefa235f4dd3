//! Registrations: answered when they are on disk.

use std::{io, path::Path, time::Duration};

use registry::grpc::v1;

use super::{TIME, Target, put_registration};
use crate::{
    case::Case,
    load::{Call, GROUP, Grpc, Http1, Load, NUMBER, Pace, Template, Transport},
    process::Server,
};

const GOAL: f64 = 25_000.0;
const SERVICES: u64 = 1_000;

/// Over HTTP, one request at a time on each connection, and over gRPC, several.
pub(super) fn run(folder: &Path) -> io::Result<Vec<Case>> {
    let server = Server::registry(folder);
    let load = Load {
        transport: Transport::Tcp,
        connections: 512,
        depth: 1,
        pace: Pace::Most,
        time: TIME,
        first: 0,
        most: u64::MAX,
    };
    let http = Target {
        name: "golens",
        process: &server.process,
        address: server.http,
    };
    let request = put_registration("load", SERVICES);
    let mut cases = http.rate("register, HTTP", load, Some(GOAL), |_| {
        Http1::new(request.clone())
    })?;
    let grpc = Target {
        address: server.grpc,
        ..http
    };
    let many = Load {
        connections: 64,
        depth: 16,
        ..load
    };
    let request = registration();
    cases.extend(grpc.rate("register, gRPC", many, Some(GOAL), |_| {
        Grpc::new(
            "/golens.registry.v1.Registry/Register",
            Call::Unary,
            &request,
        )
    })?);
    Ok(cases)
}

/// What [`put_registration`] says, over gRPC.
fn registration() -> Template {
    let text = str::to_owned;
    let id = v1::InstanceId {
        id: format!("grpc-{NUMBER}"),
        ..v1::InstanceId::default()
    };
    let instance = v1::Instance {
        id: Some(id),
        service: format!("grpc-{GROUP}"),
        address: text("10.0.0.1"),
        port: 8080,
        tags: vec![text("v1"), text("primary")],
        metadata: [("version", "1.2.3"), ("zone", "a")]
            .map(|(key, value)| (text(key), text(value)))
            .into(),
        ..v1::Instance::default()
    };
    let ttl = prost_types::Duration::try_from(Duration::from_secs(600)).expect("short");
    let check = v1::Check {
        status: v1::Status::Passing.into(),
        probe: Some(v1::check::Probe::Ttl(v1::Ttl { ttl: Some(ttl) })),
        ..v1::Check::default()
    };
    let request = v1::RegisterRequest {
        instance: Some(instance),
        checks: vec![check],
        ..v1::RegisterRequest::default()
    };
    Grpc::message(&request, SERVICES)
}
