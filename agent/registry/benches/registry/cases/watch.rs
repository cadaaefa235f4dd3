//! From a change to those who wait for it.

use std::{
    io,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use registry::grpc::v1;

use crate::{
    case::Case,
    load::{Answer, Call, Fleet, Grpc, Http1, NUMBER, Outcome, Template, Transport, Wire},
    process::{Process, Server},
};

/// Time between two changes.
const INTERVAL: Duration = Duration::from_millis(100);
/// Changes before those that count: the file of the state grows with the first ones.
const WARM_UP: usize = 5;
/// Time between two looks at what came. Whoever waits to be woken is woken a thousand times for a thousand
/// watchers, and the server pays for it.
const LOOK: Duration = Duration::from_micros(100);
/// How long the last watcher of a change is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// A kind of watchers.
#[derive(Clone, Copy)]
pub(super) struct Watchers {
    pub(super) connections: usize,
    /// Streams of one connection.
    pub(super) streams: usize,
    pub(super) changes: u64,
}

/// Enough changes that one slow write of the disk is not all of the slowest hundredth.
pub(super) const THOUSAND: Watchers = Watchers {
    connections: 1_000,
    streams: 1,
    changes: 150,
};

/// Many connections would cost more than the streams on them: clients of one process share one.
pub(super) const MANY: Watchers = Watchers {
    connections: 1_000,
    streams: 20,
    changes: 20,
};

/// gRPC streams, and long polls over HTTP.
pub(super) fn run(folder: &Path) -> io::Result<Vec<Case>> {
    let server = Server::registry(folder);
    let mut bench = Changes::new(server.grpc)?;
    bench.change()?;
    let follow = Follow {
        name: "golens",
        process: &server.process,
        address: server.grpc,
    };
    let watched = watch();
    let stream = |_| {
        Grpc::new(
            "/golens.registry.v1.Registry/Watch",
            Call::ServerStream,
            &watched,
        )
    };
    let thousand = follow.streams(
        "change to 1,000 watchers, gRPC",
        THOUSAND,
        &mut bench,
        stream,
    )?;
    let many = follow.streams("change to 20,000 watchers, gRPC", MANY, &mut bench, stream)?;
    let mut tags = Changes::of_tags(server.grpc)?;
    let tagged = follow.streams(
        "SetTags to 1,000 watchers, gRPC",
        THOUSAND,
        &mut tags,
        stream,
    )?;
    let polls = Follow {
        address: server.http,
        ..follow
    };
    let polls = polls.polls("change to 1,000 long polls, HTTP", THOUSAND, &mut bench)?;
    let goal = |(case, outcome): (Case, Outcome), ms: f64| {
        let met = outcome.share() == 1.0 && outcome.quantile_ms(0.99) < ms;
        case.with_goal(format!("p99 < {ms} ms, all good"), met)
    };
    Ok(vec![
        goal(thousand, 10.0),
        goal(many, 100.0),
        goal(tagged, 100.0),
        goal(polls, 10.0),
    ])
}

fn watch() -> Template {
    let request = v1::WatchRequest {
        service: "watched".to_owned(),
        ..v1::WatchRequest::default()
    };
    Grpc::message(&request, 1)
}

fn watched() -> v1::InstanceId {
    v1::InstanceId {
        id: "watched-1".to_owned(),
        ..v1::InstanceId::default()
    }
}

/// One connection that changes what is watched, each time to something new.
pub(super) struct Changes {
    fleet: Fleet<Grpc>,
    number: u64,
}

impl Changes {
    fn new(address: SocketAddr) -> io::Result<Self> {
        let instance = v1::Instance {
            id: Some(watched()),
            service: "watched".to_owned(),
            address: "10.0.0.1".to_owned(),
            port: 8080,
            tags: vec![format!("version-{NUMBER}")],
            ..v1::Instance::default()
        };
        let request = v1::RegisterRequest {
            instance: Some(instance),
            ..v1::RegisterRequest::default()
        };
        let request = Grpc::message(&request, 1);
        Self::by(address, "/golens.registry.v1.Registry/Register", &request)
    }

    /// Gives the instance that is there other tags.
    fn of_tags(address: SocketAddr) -> io::Result<Self> {
        let request = v1::SetTagsRequest {
            id: Some(watched()),
            tags: vec![format!("step-{NUMBER}")],
        };
        let request = Grpc::message(&request, 1);
        Self::by(address, "/golens.registry.v1.Registry/SetTags", &request)
    }

    /// Changes by another call.
    pub(super) fn by(address: SocketAddr, path: &str, request: &Template) -> io::Result<Self> {
        let wire = |_| Grpc::new(path, Call::Unary, request);
        Ok(Self {
            fleet: Fleet::connect(address, Transport::Tcp, 1, wire)?,
            number: 0,
        })
    }

    /// Makes a change, whose answer is taken with the next one.
    fn send(&mut self) -> io::Result<Instant> {
        let now = Instant::now();
        self.fleet.turn(now, &mut |_, answer| {
            assert!(answer.good, "a change is taken");
            Ok(())
        })?;
        self.number += 1;
        let connection = &mut self.fleet.connections()[0];
        let now = Instant::now();
        connection.send(self.number, now)?;
        connection.flush()?;
        Ok(now)
    }

    /// Makes a change and waits for its answer.
    pub(super) fn change(&mut self) -> io::Result<()> {
        self.send()?;
        let mut is_answered = false;
        while !is_answered {
            let until = Instant::now() + Duration::from_millis(5);
            self.fleet.turn(until, &mut |_, answer| {
                is_answered = answer.good;
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// Those who follow a server.
#[derive(Clone, Copy)]
pub(super) struct Follow<'a> {
    pub(super) name: &'static str,
    pub(super) process: &'a Process,
    pub(super) address: SocketAddr,
}

impl Follow<'_> {
    /// Streams: each gets a message at once, and one for each change.
    pub(super) fn streams(
        self,
        case: &str,
        watchers: Watchers,
        changes: &mut Changes,
        wire: impl Fn(usize) -> Grpc,
    ) -> io::Result<(Case, Outcome)> {
        let mut fleet = open(self.address, watchers, wire)?;
        let count = watchers.count();
        arrive(&mut fleet, count, |_| Ok(()))?;
        self.measure(case, watchers, changes, |changes, outcome| {
            let sent = changes.send()?;
            arrive(&mut fleet, count, |answer| {
                outcome.take(answer, sent.elapsed());
                Ok(())
            })
        })
    }

    /// Long polls: whoever is answered asks again, from the index of the answer.
    pub(super) fn polls(
        self,
        case: &str,
        watchers: Watchers,
        changes: &mut Changes,
    ) -> io::Result<(Case, Outcome)> {
        let path = format!("/v1/health/service/watched?wait=60s&index={NUMBER}");
        let request = Http1::get(&path, 1);
        let mut fleet = open(self.address, watchers, |_| Http1::new(request.clone()))?;
        let count = watchers.count();
        let mut again = vec![];
        arrive(&mut fleet, count, |answer| {
            again.push(answer.index);
            Ok(())
        })?;
        self.measure(case, watchers, changes, |changes, outcome| {
            let index = again.iter().copied().max().unwrap_or_default();
            for connection in fleet.connections() {
                connection.send(index, Instant::now())?;
                connection.flush()?;
            }
            settle(&mut fleet)?;
            again.clear();
            let sent = changes.send()?;
            arrive(&mut fleet, count, |answer| {
                outcome.take(answer, sent.elapsed());
                again.push(answer.index);
                Ok(())
            })
        })
    }

    fn measure(
        self,
        case: &str,
        watchers: Watchers,
        changes: &mut Changes,
        mut change: impl FnMut(&mut Changes, &mut Outcome) -> io::Result<()>,
    ) -> io::Result<(Case, Outcome)> {
        let mut outcome = Outcome::default();
        for _ in 0..WARM_UP {
            change(changes, &mut Outcome::default())?;
        }
        let before = self.process.cpu_s();
        let begun = Instant::now();
        for _ in 0..watchers.changes {
            let next = Instant::now() + INTERVAL;
            change(changes, &mut outcome)?;
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        outcome.asked = watchers.changes * watchers.count();
        outcome.time = begun.elapsed();
        outcome.latencies.sort_unstable();
        let cpu_s = self.process.cpu_s() - before;
        let connections = watchers.connections;
        let case = Case::load(case, self.name, connections, None, &outcome, cpu_s);
        Ok((case, outcome))
    }
}

impl Watchers {
    fn count(self) -> u64 {
        (self.connections * self.streams) as u64
    }
}

/// Makes the connections and asks on each stream, from number 0.
fn open<W: Wire>(
    address: SocketAddr,
    watchers: Watchers,
    wire: impl Fn(usize) -> W,
) -> io::Result<Fleet<W>> {
    let mut fleet = Fleet::connect(address, Transport::Tcp, watchers.connections, wire)?;
    for connection in fleet.connections() {
        for _ in 0..watchers.streams {
            connection.send(0, Instant::now())?;
        }
        connection.flush()?;
    }
    Ok(fleet)
}

/// Takes answers until there are `count`, or nothing comes any more.
fn arrive<W: Wire>(
    fleet: &mut Fleet<W>,
    count: u64,
    mut take: impl FnMut(Answer) -> io::Result<()>,
) -> io::Result<()> {
    let end = Instant::now() + PATIENCE;
    let mut arrived = 0;
    while arrived < count && Instant::now() < end {
        fleet.turn(Instant::now() + LOOK, &mut |_, answer| {
            arrived += 1;
            take(answer)
        })?;
    }
    Ok(())
}

/// Lets the server take what was sent.
fn settle<W: Wire>(fleet: &mut Fleet<W>) -> io::Result<()> {
    let end = Instant::now() + Duration::from_millis(100);
    while Instant::now() < end {
        fleet.turn(end, &mut |_, _| Ok(()))?;
    }
    Ok(())
}
