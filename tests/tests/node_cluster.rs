//! Two agents that share what they have through a real etcd, with a real Go program on each.

use std::{net::SocketAddr, time::Duration};

use serde_json::{Value, json};
use tests::{
    backends::Etcd,
    harness::{
        Cgroup, ClusterRow, Golens, InstanceRow, Network, Program, RunDir, Settings, Spawn, Target,
        get, wait_for, wait_until,
    },
};

const PATIENCE: Duration = Duration::from_secs(15);
/// All is right again within this once a fault is over.
const CONVERGES: Duration = Duration::from_secs(10);

/// A node of its own as far as one machine has room for two: a group of processes, a name, an address.
struct Node {
    name: &'static str,
    address: &'static str,
    cgroup: Cgroup,
    run: RunDir,
}

impl Node {
    fn new(name: &'static str, address: &'static str) -> Self {
        let (cgroup, run) = (Cgroup::new(), RunDir::new());
        Self {
            name,
            address,
            cgroup,
            run,
        }
    }

    fn program(&self, service: &str, listen: &str) -> Program {
        Spawn::new(Target::new("listens").build())
            .args(["-listen", listen])
            .service(service)
            .in_cgroup(&self.cgroup)
            .start(&self.run)
    }

    fn golens(&self, etcd: &Etcd) -> Golens {
        self.settings(etcd.address).start(&self.run)
    }

    fn settings(&self, etcd: SocketAddr) -> Settings {
        Settings::for_cgroup(&self.cgroup)
            .with_registry(&self.run)
            .set("registry.node", json!(self.name))
            .set("registry.address", json!(self.address))
            .set("registry.etcd.endpoints", json!([format!("http://{etcd}")]))
            .set("registry.etcd.ttl", json!("5s"))
    }
}

fn port(address: &str) -> u16 {
    let (_, port) = address.trim().rsplit_once(':').expect("address:port");
    port.parse().expect("a port")
}

/// `node:port source` of all instances of a service, in order.
fn seen(golens: &Golens, service: &str) -> Vec<String> {
    let mut rows = golens.instances();
    rows.retain(|row| row.service == service);
    let place = |row: &InstanceRow| format!("{}:{} {}", row.node, row.port, row.source);
    let mut seen: Vec<_> = rows.iter().map(place).collect();
    seen.sort();
    seen
}

fn await_seen(golens: &Golens, service: &str, mut expected: Vec<String>) {
    expected.sort();
    let what = format!("{service} to be {expected:?}");
    wait_until(&what, PATIENCE, || seen(golens, service) == expected);
}

fn cluster(golens: &Golens) -> ClusterRow {
    golens.registry().cluster.expect("it has a cluster")
}

/// Asks the Consul API: the index and the answer.
fn consul(golens: &Golens, path: &str) -> Value {
    get(&golens.registry_at("http"), path)
        .expect("answered")
        .json()
}

#[test]
fn each_node_sees_what_runs_on_the_other_and_what_it_can_reach() {
    let run = RunDir::new();
    let etcd = Etcd::start(run.path()).expect("etcd");
    let (a, b) = (
        Node::new("node-a", "198.51.100.1"),
        Node::new("node-b", "198.51.100.2"),
    );
    let on_a = a.program("shop", "0.0.0.0:0");
    let on_b = b.program("shop", "0.0.0.0:0");
    let hidden = a.program("shop", "127.0.0.1:0");
    let (golens_a, golens_b) = (a.golens(&etcd), b.golens(&etcd));
    let place = |node: &str, program: &Program, source: &str| {
        format!("{node}:{} {source}", port(program.address()))
    };
    await_seen(
        &golens_a,
        "shop",
        vec![
            place("node-a", &on_a, "discovered"),
            place("node-a", &hidden, "discovered"),
            place("node-b", &on_b, "cluster"),
        ],
    );
    await_seen(
        &golens_b,
        "shop",
        vec![
            place("node-a", &on_a, "cluster"),
            place("node-b", &on_b, "discovered"),
        ],
    );

    // What listens on all addresses is reached at that of its node.
    let far = consul(&golens_b, "/v1/catalog/service/shop");
    let far = far.as_array().expect("a list").iter();
    let mut far: Vec<_> = far
        .filter(|row| row["Node"] == "node-a")
        .map(|row| (row["Address"].clone(), row["ServiceAddress"].clone()))
        .collect();
    assert_eq!(far.pop(), Some((json!("198.51.100.1"), json!(""))));
    assert!(far.is_empty(), "{far:?}");

    // What stays at home is counted, as a number and as a metric.
    wait_until("the one on loopback to be counted", PATIENCE, || {
        let state = [("state", "kept_here")];
        golens_a
            .metrics()
            .count("golens_registry_cluster_instances", &state)
            == 1
    });
    let status = cluster(&golens_a);
    assert_eq!((status.kept_here, status.nodes), (1, 1), "{status:?}");
    assert!(status.connected && !status.name_taken, "{status:?}");
    assert_eq!(
        (status.breaker.as_str(), status.view.as_str()),
        ("closed", "fresh")
    );

    on_a.kill();
    await_seen(
        &golens_b,
        "shop",
        vec![place("node-b", &on_b, "discovered")],
    );
    golens_a.stop();
    golens_b.stop();
}

#[test]
fn a_restart_of_an_agent_goes_unnoticed_elsewhere() {
    let run = RunDir::new();
    let etcd = Etcd::start(run.path()).expect("etcd");
    let (a, b) = (
        Node::new("node-a", "198.51.100.1"),
        Node::new("node-b", "198.51.100.2"),
    );
    let on_a = a.program("shop", "0.0.0.0:0");
    let (golens_a, golens_b) = (a.golens(&etcd), b.golens(&etcd));
    let expected = vec![format!("node-a:{} cluster", port(on_a.address()))];
    await_seen(&golens_b, "shop", expected.clone());
    let index = |golens: &Golens| {
        let rows = consul(golens, "/v1/health/service/shop");
        let service = &rows[0]["Service"];
        (
            service["CreateIndex"].clone(),
            service["ModifyIndex"].clone(),
        )
    };
    let before = index(&golens_b);
    // Killed, not stopped.
    drop(golens_a);
    let golens_a = a.golens(&etcd);
    let published = wait_for("it to publish again", PATIENCE, || {
        let status = cluster(&golens_a);
        // The other one is the service that stands for the registry itself.
        (status.published == 2).then_some(status)
    });
    assert!(published.connected, "{published:?}");
    assert_eq!(index(&golens_b), before, "nobody was told anything");
    assert_eq!(seen(&golens_b, "shop"), expected);
    golens_a.stop();
    golens_b.stop();
}

/// Head and body of the Consul API's answer, as text.
fn ask(golens: &Golens, method: &str, path: &str, body: &str) -> String {
    use std::io::{Read as _, Write as _};
    let address = golens.registry_at("http");
    let mut stream = std::net::TcpStream::connect(&address).expect("connected");
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    answer
}

#[test]
fn a_silent_etcd_is_told_of_wherever_one_may_look() {
    let run = RunDir::new();
    let etcd = Etcd::start(run.path()).expect("etcd");
    let (a, b) = (
        Node::new("node-a", "198.51.100.1"),
        Node::new("node-b", "198.51.100.2"),
    );
    let on_b = b.program("shop", "0.0.0.0:0");
    let golens_a = a
        .settings(etcd.address)
        .set("registry.etcd.call_timeout", json!("200ms"))
        .set("registry.etcd.freshness.fresh", json!("1s"))
        .set("registry.etcd.freshness.stale", json!("2s"))
        .set("registry.etcd.breaker.trials", json!(3))
        .set("registry.etcd.breaker.probe", json!("200ms"))
        .start(&a.run);
    let golens_b = b.golens(&etcd);
    let expected = [format!("node-b:{} cluster", port(on_b.address()))];
    await_seen(&golens_a, "shop", expected.to_vec());

    // What another node keeps is changed there.
    let id = &golens_a.instances()[0].id;
    let elsewhere = json!({"Node": "node-b", "ServiceID": id}).to_string();
    let refused = ask(&golens_a, "PUT", "/v1/catalog/deregister", &elsewhere);
    assert!(refused.starts_with("HTTP/1.1 409"), "{refused}");
    assert!(refused.contains("node-b"), "{refused}");

    etcd.pause();
    // Something to say, to nobody who listens.
    let _new = a.program("new", "0.0.0.0:0");
    wait_until(
        "the breaker to open and the view to expire",
        PATIENCE,
        || {
            let status = cluster(&golens_a);
            (status.breaker.as_str(), status.view.as_str()) == ("open", "expired")
        },
    );
    wait_until("the metrics to say so", PATIENCE, || {
        let metrics = golens_a.metrics();
        let is = |name, label, state| metrics.count(name, &[(label, state)]) == 1;
        is("golens_registry_cluster_breaker", "state", "open")
            && is("golens_registry_cluster_view", "state", "expired")
            && is(
                "golens_registry_cluster_connection",
                "state",
                "disconnected",
            )
            && is(
                "golens_registry_cluster_events_total",
                "kind",
                "breaker_opened",
            )
    });
    let stats = &consul(&golens_a, "/v1/agent/self")["Stats"]["cluster"];
    assert_eq!(
        (&stats["breaker"], &stats["freshness"], &stats["connected"]),
        (&json!("open"), &json!("expired"), &json!("false"))
    );
    let answer = ask(&golens_a, "GET", "/v1/health/service/shop", "");
    assert!(answer.contains("X-Golens-Stale: expired"), "{answer}");
    assert!(answer.contains("\"node-b\""), "the last view: {answer}");

    etcd.resume();
    wait_until("all to be well", CONVERGES, || {
        let status = cluster(&golens_a);
        (status.breaker.as_str(), status.view.as_str()) == ("closed", "fresh")
    });
    let answer = ask(&golens_a, "GET", "/v1/health/service/shop", "");
    assert!(!answer.contains("X-Golens-Stale"), "{answer}");
    golens_a.stop();
    golens_b.stop();
}

#[test]
fn an_etcd_that_is_not_there_stops_nothing_and_is_told_of() {
    let node = Node::new("node-a", "198.51.100.1");
    let program = node.program("shop", "0.0.0.0:0");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = nobody.local_addr().expect("known");
    drop(nobody);
    let golens = Settings::for_cgroup(&node.cgroup)
        .with_registry(&node.run)
        .set(
            "registry.etcd.endpoints",
            json!([format!("http://{address}")]),
        )
        .set("registry.etcd.freshness.fresh", json!("1s"))
        .set("registry.etcd.freshness.stale", json!("2s"))
        .start(&node.run);
    let expected = vec![format!("node-1:{} discovered", port(program.address()))];
    await_seen(&golens, "shop", expected);
    let status = wait_for("the view to expire", PATIENCE, || {
        Some(cluster(&golens)).filter(|status| status.view == "expired")
    });
    assert!(!status.connected, "{status:?}");
    let reason = format!("cannot connect to etcd at http://{address}");
    assert!(status.last_error.contains(&reason), "{status:?}");
    wait_until("the metrics to say so", PATIENCE, || {
        let metrics = golens.metrics();
        let is = |name, state| metrics.count(name, &[("state", state)]) == 1;
        is("golens_registry_cluster_connection", "disconnected")
            && is("golens_registry_cluster_view", "expired")
    });
    golens.stop();
}

#[test]
fn a_node_that_the_network_cuts_off_answers_and_catches_up() {
    let run = RunDir::new();
    // One link for each node: the packets of one are lost, those of the other are not.
    let network = Network::new(2);
    let etcd = Etcd::start_in(&network, run.path()).expect("etcd");
    let far = format!("{}:{}", network.link(1).inside, etcd.address.port());
    let far: SocketAddr = far.parse().expect("an address");
    let (a, b) = (
        Node::new("node-a", "198.51.100.1"),
        Node::new("node-b", "198.51.100.2"),
    );
    let [on_a, leaves] = ["0.0.0.0:0", "0.0.0.0:0"].map(|listen| a.program("shop", listen));
    let on_b = b.program("shop", "0.0.0.0:0");
    let quick = |settings: Settings| {
        settings
            .set("registry.etcd.call_timeout", json!("500ms"))
            .set("registry.etcd.freshness.fresh", json!("2s"))
    };
    let golens_a = quick(a.settings(etcd.address)).start(&a.run);
    let golens_b = quick(b.settings(far)).start(&b.run);
    let place = |node: &str, program: &Program, source: &str| {
        format!("{node}:{} {source}", port(program.address()))
    };
    let on_both = |ours: &str, others: &str| {
        vec![
            place("node-a", &on_a, ours),
            place("node-a", &leaves, ours),
            place("node-b", &on_b, others),
        ]
    };
    await_seen(&golens_a, "shop", on_both("discovered", "cluster"));
    await_seen(&golens_b, "shop", on_both("cluster", "discovered"));

    network.cut(1);
    wait_until("the cut to be noticed", PATIENCE, || {
        let status = cluster(&golens_b);
        !status.connected && status.view == "stale"
    });
    // The lease of the one that is cut off ends, and it does not know what happens elsewhere.
    let only_a = vec![
        place("node-a", &on_a, "discovered"),
        place("node-a", &leaves, "discovered"),
    ];
    await_seen(&golens_a, "shop", only_a);
    let known = on_both("cluster", "discovered");
    let left = place("node-a", &leaves, "cluster");
    leaves.kill();
    let new = a.program("shop", "0.0.0.0:0");
    await_seen(
        &golens_a,
        "shop",
        vec![
            place("node-a", &on_a, "discovered"),
            place("node-a", &new, "discovered"),
        ],
    );
    let mut before = known.clone();
    before.sort();
    assert_eq!(seen(&golens_b, "shop"), before, "the last view is answered");
    assert_eq!(cluster(&golens_a).view, "fresh");

    network.mend(1);
    let mut after = known;
    after.retain(|row| *row != left);
    after.push(place("node-a", &new, "cluster"));
    after.sort();
    wait_until("b to catch up", CONVERGES, || {
        seen(&golens_b, "shop") == after
    });
    let mut after = vec![
        place("node-a", &on_a, "discovered"),
        place("node-a", &new, "discovered"),
        place("node-b", &on_b, "cluster"),
    ];
    after.sort();
    wait_until("a to see b again", CONVERGES, || {
        seen(&golens_a, "shop") == after
    });
    golens_a.stop();
    golens_b.stop();
}
