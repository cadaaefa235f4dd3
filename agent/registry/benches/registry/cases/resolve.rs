//! Who offers a service: over HTTP, DNS and gRPC, among 10,000 instances.

use std::{io, path::Path};

use registry::grpc::v1;

use super::{SERVICES, TIME, Target, populate};
use crate::{
    case::Case,
    load::{Call, Dns, GROUP, Grpc, Http1, Load, Pace, Transport},
    process::Server,
};

const GOAL: f64 = 100_000.0;

/// All services in turn.
pub(super) fn run(folder: &Path) -> io::Result<Vec<Case>> {
    let server = Server::registry(folder);
    populate(server.http)?;
    let load = Load {
        transport: Transport::Tcp,
        connections: 128,
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
    let request = Http1::get(
        &format!("/v1/health/service/web-{GROUP}?passing=1"),
        SERVICES,
    );
    let mut cases = http.rate("resolve, HTTP", load, Some(GOAL), |_| {
        Http1::new(request.clone())
    })?;
    let dns = Target {
        address: server.dns,
        ..http
    };
    let datagrams = Load {
        transport: Transport::Udp,
        connections: 32,
        depth: 8,
        ..load
    };
    let question = Dns::question(&format!("web-{GROUP}.service.consul"), SERVICES);
    cases.extend(dns.rate("resolve, DNS", datagrams, Some(GOAL), |_| {
        // All instances have one address, which is told once.
        Dns::new(question.clone(), 1)
    })?);
    let grpc = Target {
        address: server.grpc,
        ..http
    };
    let many = Load {
        connections: 64,
        depth: 8,
        ..load
    };
    let request = v1::ResolveRequest {
        service: format!("web-{GROUP}"),
        ..v1::ResolveRequest::default()
    };
    let request = Grpc::message(&request, SERVICES);
    cases.extend(grpc.rate("resolve, gRPC", many, None, |_| {
        Grpc::new(
            "/golens.registry.v1.Registry/Resolve",
            Call::Unary,
            &request,
        )
    })?);
    Ok(cases)
}
