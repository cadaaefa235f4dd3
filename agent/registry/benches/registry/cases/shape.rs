//! Many connections that each ask a few times a second: the load that a whole node's programs make.

use std::{io, path::Path, time::Duration};

use super::{SERVICES, Target, populate};
use crate::{
    case::Case,
    load::{GROUP, Http1, Load, Outcome, Pace, Template, Transport},
    process::Server,
};

/// Requests per second of one connection.
const RATE: f64 = 4.62;
/// Mean time of an answer, ms, and share of good answers.
const GOAL: (f64, f64) = (11.7, 0.99998);
/// What a process may open for itself; the server needs some for other things.
const FULL: usize = 19_900;

/// The shape for two cores, and as much of the whole as one process may hold open.
pub(super) fn run(folder: &Path) -> io::Result<Vec<Case>> {
    let server = Server::registry(folder);
    populate(server.http)?;
    let target = Target {
        name: "golens",
        process: &server.process,
        address: server.http,
    };
    let path = format!("/v1/health/service/web-{GROUP}?passing=1");
    let request = Http1::get(&path, SERVICES);
    measure(target, &request, |case, outcome| {
        let (mean_ms, share) = GOAL;
        let met = outcome.mean_ms() <= mean_ms && outcome.share() >= share;
        case.with_goal(format!("mean <= {mean_ms} ms, good >= {share}"), met)
    })
}

/// The shape as load on any server.
pub(super) fn measure(
    target: Target<'_>,
    request: &Template,
    judge: impl Fn(Case, &Outcome) -> Case,
) -> io::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for connections in [2_500, FULL] {
        let load = Load {
            transport: Transport::Tcp,
            connections,
            depth: 1,
            pace: Pace::PerSecond(connections as f64 * RATE),
            time: Duration::from_secs(5),
            first: 0,
            most: u64::MAX,
        };
        let case = format!("{connections} connections, {RATE} requests/s each");
        let (case, outcome) = target.measure(&case, load, |_| Http1::new(request.clone()))?;
        cases.push(judge(case, &outcome));
    }
    Ok(cases)
}
