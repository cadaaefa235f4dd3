//! What is measured, group by group.

mod etcd;
mod floor;
mod register;
mod resolve;
mod shape;
mod state;
mod watch;

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use registry::state::random_hex;

use crate::{
    case::Case,
    load::{GROUP, Http1, Load, NUMBER, Outcome, Pace, Template, Transport, Wire},
    process::Process,
};

/// Instances that are there before something is measured, three of each service.
const INSTANCES: u64 = 10_000;
const PER_SERVICE: u64 = 3;
const SERVICES: u64 = INSTANCES / PER_SERVICE;

/// How long a case takes.
const TIME: Duration = Duration::from_secs(3);

/// A group of cases; it gets a folder of its own.
type Group = (&'static str, fn(&Path) -> io::Result<Vec<Case>>);

const GROUPS: [Group; 7] = [
    ("register", register::run),
    ("resolve", resolve::run),
    ("watch", watch::run),
    ("shape", shape::run),
    ("state", state::run),
    ("floor", floor::run),
    ("etcd", etcd::run),
];

/// Runs the groups with these names, or all.
pub(crate) fn run(wanted: &[&str]) {
    for (name, group) in GROUPS {
        if !wanted.is_empty() && !wanted.contains(&name) {
            continue;
        }
        let folder = Folder::new();
        let cases = group(&folder.0).unwrap_or_else(|error| panic!("{name}: {error}"));
        for case in cases {
            println!("{}", serde_json::to_string(&case).expect("plain data"));
        }
    }
}

/// A folder that goes with its owner.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let name = random_hex::<8>().expect("random numbers");
        let folder = std::env::temp_dir().join(format!("golens-bench-{name}"));
        fs::create_dir(&folder).expect("a folder");
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// The registration of instance [`NUMBER`] of service [`GROUP`], as the Go client sends it.
fn registration(name: &str) -> String {
    format!(
        r#"{{"ID":"{name}-{NUMBER}","Name":"{name}-{GROUP}","Tags":["v1","primary"],"Port":8080,"Address":"10.0.0.1","Meta":{{"version":"1.2.3","zone":"a"}},"Check":{{"TTL":"600s","Status":"passing"}},"Checks":null}}"#
    )
}

/// That registration over HTTP.
fn put_registration(name: &str, groups: u64) -> Template {
    Http1::put("/v1/agent/service/register", &registration(name), groups)
}

/// Registers [`INSTANCES`] instances.
fn populate(http: SocketAddr) -> io::Result<()> {
    let request = put_registration("web", SERVICES);
    let load = Load {
        transport: Transport::Tcp,
        connections: 64,
        depth: 1,
        pace: Pace::Most,
        time: Duration::from_secs(60),
        first: 0,
        most: INSTANCES,
    };
    let outcome = load.run(http, |_| Http1::new(request.clone()))?;
    assert_eq!(outcome.good, INSTANCES, "instances are registered");
    Ok(())
}

/// Who answers, and where.
#[derive(Clone, Copy)]
struct Target<'a> {
    name: &'static str,
    process: &'a Process,
    address: SocketAddr,
}

impl Target<'_> {
    /// Measures one case.
    fn measure<W: Wire>(
        self,
        case: &str,
        load: Load,
        wire: impl Fn(usize) -> W,
    ) -> io::Result<(Case, Outcome)> {
        let before = self.process.cpu_s();
        let outcome = load.run(self.address, wire)?;
        let cpu_s = self.process.cpu_s() - before;
        let offered = match load.pace {
            Pace::PerSecond(rate) => Some(rate),
            Pace::Most => None,
        };
        let case = Case::load(case, self.name, load.connections, offered, &outcome, cpu_s);
        Ok((case, outcome))
    }

    /// Measures at a rate that is to be kept up, and at most.
    fn rate<W: Wire>(
        self,
        case: &str,
        load: Load,
        goal: Option<f64>,
        wire: impl Fn(usize) -> W,
    ) -> io::Result<Vec<Case>> {
        let mut cases = Vec::new();
        let mut first = load.first;
        if let Some(rate) = goal {
            let pace = Pace::PerSecond(rate);
            let (case, outcome) = self.measure(case, Load { pace, ..load }, &wire)?;
            first += outcome.asked;
            // The last answers come when the time is over: one per cent is theirs.
            let met = outcome.good == outcome.asked && outcome.rate() >= 0.99 * rate;
            cases.push(case.with_goal(format!(">= {rate:.0}/s, all good"), met));
        }
        let pace = Pace::Most;
        let most = Load {
            pace,
            first,
            ..load
        };
        let (case, _) = self.measure(&format!("{case}, closed loop"), most, &wire)?;
        cases.push(case);
        Ok(cases)
    }
}
