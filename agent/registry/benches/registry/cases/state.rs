//! Memory, and how soon a registry that was killed answers again.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    time::{Duration, Instant},
};

use registry::grpc::v1;

use super::{INSTANCES, SERVICES, populate};
use crate::{
    case::Case,
    load::{Call, Fleet, GROUP, Grpc, Transport},
    process::Server,
};

const WATCHERS: usize = 1_000;
const MEMORY_MIB: f64 = 64.0;
const READY_MS: f64 = 300.0;
const KILLS: usize = 9;

/// With 10,000 instances.
pub(super) fn run(folder: &Path) -> io::Result<Vec<Case>> {
    let server = Server::registry(folder);
    let empty = server.process.memory_mib();
    populate(server.http)?;
    let full = server.process.memory_mib();
    drop(server);
    let mut ready_ms = Vec::new();
    for _ in 0..KILLS {
        let begun = Instant::now();
        let server = Server::registry(folder);
        answers_all(server.http)?;
        ready_ms.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    ready_ms.sort_by(f64::total_cmp);
    let slowest = ready_ms[KILLS - 1];
    let server = Server::registry(folder);
    answers_all(server.http)?;
    let loaded = server.process.memory_mib();
    let watchers = watchers(server.grpc)?;
    let watched = server.process.memory_mib();
    drop(watchers);
    let memory = |what: String, mib| Case::value(what, "golens", mib, "MiB");
    let ready = |what: &str, ms| Case::value(what, "golens", ms, "ms");
    Ok(vec![
        memory("resident, empty".to_owned(), empty),
        memory(format!("resident after {INSTANCES} registrations"), full),
        memory(
            format!("resident after a start with {INSTANCES} instances"),
            loaded,
        ),
        memory(
            format!(
                "resident with {INSTANCES} instances and {WATCHERS} watchers, a connection each"
            ),
            watched,
        )
        .with_goal(format!("< {MEMORY_MIB} MiB"), watched < MEMORY_MIB),
        ready("ready after kill -9, median", ready_ms[KILLS / 2]),
        ready("ready after kill -9, slowest of 9", slowest)
            .with_goal(format!("< {READY_MS} ms"), slowest < READY_MS),
    ])
}

/// Asks for the last service, whose instances must be there.
fn answers_all(http: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(http)?;
    let last = SERVICES - 1;
    let ask = format!(
        "GET /v1/health/service/web-{last:08} HTTP/1.1\r\nHost: r\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(ask.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let count = answer.matches("\"ServiceID\":\"web-").count();
    assert!(count >= 3, "{count} instances of the last service");
    Ok(())
}

/// Watchers of as many services, each on its own connection, that have their first message.
fn watchers(grpc: SocketAddr) -> io::Result<Fleet<Grpc>> {
    let request = v1::WatchRequest {
        service: format!("web-{GROUP}"),
        ..v1::WatchRequest::default()
    };
    let request = Grpc::message(&request, SERVICES);
    let path = "/golens.registry.v1.Registry/Watch";
    let wire = |_| Grpc::new(path, Call::ServerStream, &request);
    let mut fleet = Fleet::connect(grpc, Transport::Tcp, WATCHERS, wire)?;
    for (number, connection) in (0..).zip(fleet.connections()) {
        connection.send(number, Instant::now())?;
        connection.flush()?;
    }
    let mut arrived = 0;
    while arrived < WATCHERS {
        let until = Instant::now() + Duration::from_millis(5);
        fleet.turn(until, &mut |_, answer| {
            assert!(answer.good, "a watcher is answered");
            arrived += 1;
            Ok(())
        })?;
    }
    Ok(fleet)
}
