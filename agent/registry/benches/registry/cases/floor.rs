//! What the machine and the libraries allow at most.

use std::{io, path::Path, time::Duration};

use super::{
    TIME, Target, put_registration, shape,
    watch::{Changes, Follow, MANY, THOUSAND},
};
use crate::{
    bare::{self, FOLLOW, WAKE},
    case::Case,
    load::{Call, Dns, Grpc, Http1, Load, Pace, Template, Transport},
    process::Server,
};

/// Bare servers under the loads of the other groups, and a bare disk.
pub(super) fn run(folder: &Path) -> io::Result<Vec<Case>> {
    let server = Server::bare();
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
        name: "bare hyper",
        process: &server.process,
        address: server.http,
    };
    let mut cases = Vec::new();
    let get = Http1::get("/", 1);
    let case = format!("GET answered with {} bytes, closed loop", bare::BODY);
    cases.push(http.measure(&case, load, |_| Http1::new(get.clone()))?.0);
    cases.extend(shape::measure(http, &get, |case, _| case)?);
    let put = put_registration("load", 1_000);
    let many = Load {
        connections: 512,
        ..load
    };
    let case = "PUT of a registration, forgotten, closed loop";
    cases.push(http.measure(case, many, |_| Http1::new(put.clone()))?.0);
    let grpc = Target {
        address: server.grpc,
        ..http
    };
    let empty = Template::new([], 1);
    let streams = Load {
        connections: 64,
        depth: 16,
        ..load
    };
    let unary = |_| Grpc::new("/bare/Call", Call::Unary, &empty);
    cases.push(grpc.measure("gRPC call, closed loop", streams, unary)?.0);
    let dns = Target {
        name: "bare socket",
        address: server.dns,
        ..http
    };
    let datagrams = Load {
        transport: Transport::Udp,
        connections: 32,
        depth: 8,
        ..load
    };
    let question = Dns::question("web-00000001.service.consul", 1);
    let case = "datagram sent back, closed loop";
    cases.push(
        dns.measure(case, datagrams, |_| Dns::new(question.clone(), 3))?
            .0,
    );
    cases.extend(fan_out(&server, &empty)?);
    let second = Duration::from_secs(1);
    let syncs = bare::syncs(folder, second);
    cases.push(Case::value(
        "4 KiB appended and synced",
        "bare disk",
        syncs,
        "/s",
    ));
    for rows in [1, 64, 512] {
        let rate = bare::commits(folder, rows, second);
        let case = format!("rows of 400 bytes, {rows} for each commit");
        cases.push(Case::value(case, "bare redb", rate, "/s"));
    }
    Ok(cases)
}

/// One value to many streams, with nothing to find out or render.
fn fan_out(server: &Server, empty: &Template) -> io::Result<Vec<Case>> {
    let follow = Follow {
        name: "bare hyper",
        process: &server.process,
        address: server.grpc,
    };
    let mut changes = Changes::by(server.grpc, WAKE, empty)?;
    let mut cases = Vec::new();
    for (watchers, count) in [(THOUSAND, "1,000"), (MANY, "20,000")] {
        let case = format!("change to {count} watchers, gRPC");
        let wire = |_| Grpc::new(FOLLOW, Call::ServerStream, empty);
        cases.push(follow.streams(&case, watchers, &mut changes, wire)?.0);
    }
    let polls = Follow {
        address: server.http,
        ..follow
    };
    let case = "change to 1,000 long polls, HTTP";
    cases.push(polls.polls(case, THOUSAND, &mut changes)?.0);
    Ok(cases)
}
