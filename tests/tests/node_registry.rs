//! The registry as part of the agent: what listens is an instance for as long as it does, and neither half
//! stops the other.

use std::{net::TcpListener, time::Duration};

use serde::Deserialize;
use serde_json::{Value, json};
use tests::harness::{
    Cgroup, Golens, InstanceRow, Program, RunDir, Settings, Spawn, Target, get, request, wait_for,
    wait_until,
};

const PATIENCE: Duration = Duration::from_secs(10);

fn program(cgroup: &Cgroup, run: &RunDir, attributes: &str) -> Program {
    Spawn::new(Target::new("listens").build())
        .service("shop")
        .env("OTEL_RESOURCE_ATTRIBUTES", attributes)
        .in_cgroup(cgroup)
        .start(run)
}

fn port(address: &str) -> u16 {
    let (_, port) = address.trim().rsplit_once(':').expect("address:port");
    port.parse().expect("a port")
}

/// Waits for the instances, and returns them when they are these.
fn await_ports(golens: &Golens, expected: &[u16]) -> Vec<InstanceRow> {
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    let mut seen = Vec::new();
    wait_for(&format!("instances at {expected:?}"), PATIENCE, || {
        seen = golens.instances();
        let mut ports: Vec<u16> = seen.iter().map(|instance| instance.port).collect();
        ports.sort_unstable();
        (ports == expected).then(|| seen.clone())
    })
}

/// Asks the Consul API of the agent; the answer's status.
fn put(golens: &Golens, path: &str, body: &str) -> u16 {
    request(&golens.registry_at("http"), "PUT", path, &[], body)
        .expect("answered")
        .status
}

#[test]
fn what_listens_is_an_instance_until_it_ends() {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let program = program(
        &cgroup,
        &run,
        "golens.tags=canary v2,golens.namespace=staging",
    );
    let golens = Settings::for_cgroup(&cgroup)
        .with_registry(&run)
        .start(&run);
    let first = port(program.address());
    let instance = await_ports(&golens, &[first]).remove(0);
    assert_eq!(
        (instance.service.as_str(), instance.namespace.as_str()),
        ("shop", "staging")
    );
    assert_eq!(
        (instance.address.as_str(), instance.source.as_str()),
        ("127.0.0.1", "discovered")
    );
    assert_eq!(instance.tags, ["canary", "v2"]);
    assert_eq!(instance.health, "passing");

    let second = program.get("/listen?address=127.0.0.1:0").body;
    await_ports(&golens, &[first, port(&second)]);
    let closed = program.get(&format!("/close?address={}", second.trim()));
    assert_eq!(closed.status, 200);
    await_ports(&golens, &[first]);

    let pid = program.pid();
    program.kill();
    await_ports(&golens, &[]);
    let events = golens.registry().events;
    let last = events.last().expect("events");
    assert_eq!(
        (last.kind.as_str(), last.reason.as_str()),
        ("instance_gone", format!("process {pid} has ended").as_str())
    );
    golens.stop();
}

#[test]
fn a_registration_of_the_same_socket_wins() {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let program = program(&cgroup, &run, "");
    let golens = Settings::for_cgroup(&cgroup)
        .with_registry(&run)
        .start(&run);
    let port = port(program.address());
    await_ports(&golens, &[port]);
    let body = json!({"Name": "web", "ID": "web-1", "Address": "127.0.0.1", "Port": port});
    assert_eq!(
        put(&golens, "/v1/agent/service/register", &body.to_string()),
        200
    );
    let rows = wait_for("the registration to win", PATIENCE, || {
        let rows = golens.instances();
        rows.iter().all(|row| row.source == "api").then_some(rows)
    });
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!((rows[0].id.as_str(), rows[0].port), ("web-1", port));
    wait_until("the socket to be called merged", PATIENCE, || {
        let found = golens.registry().discovered;
        found
            .iter()
            .any(|found| found.outcome == "merged" && found.pid == program.pid())
    });
    assert_eq!(put(&golens, "/v1/agent/service/deregister/web-1", ""), 200);
    let rows = await_ports(&golens, &[port]);
    assert_eq!(rows[0].source, "discovered");
    golens.stop();
}

#[test]
fn a_registration_is_critical_while_no_process_listens_there() {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let first = program(&cgroup, &run, "");
    let golens = Settings::for_cgroup(&cgroup)
        .with_registry(&run)
        .start(&run);
    let address = first.address().to_owned();
    await_ports(&golens, &[port(&address)]);
    // Its own check never fails.
    let body = json!({
        "Name": "web", "ID": "web-1", "Address": "127.0.0.1", "Port": port(&address),
        "Check": {"TTL": "1h", "Status": "passing"},
    });
    assert_eq!(
        put(&golens, "/v1/agent/service/register", &body.to_string()),
        200
    );
    let is = |health: &str| {
        let rows = golens.instances();
        let own = rows
            .iter()
            .map(|row| (row.id.as_str(), row.health.as_str()));
        own.eq([("web-1", health)])
    };
    wait_until("the registration to win", PATIENCE, || is("passing"));
    first.kill();
    wait_until("it to be critical", PATIENCE, || is("critical"));
    let path = "/v1/health/service/web?passing";
    let passing = get(&golens.registry_at("http"), path);
    assert_eq!(passing.expect("answered").body.trim(), "[]");
    let _second = Spawn::new(Target::new("listens").build())
        .args(["-listen", &address])
        .in_cgroup(&cgroup)
        .start(&run);
    wait_until("another process to stand in", PATIENCE, || is("passing"));
    golens.stop();
}

#[test]
fn a_port_for_profiles_is_named_and_never_an_instance() {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let program = program(&cgroup, &run, "");
    let golens = Settings::for_cgroup(&cgroup)
        .with_registry(&run)
        .start(&run);
    let first = port(program.address());
    let second = program.get("/listen?address=127.0.0.1:0").body;
    await_ports(&golens, &[first, port(&second)]);
    let _row = golens.await_attached(program.pid(), &["http"]);
    // A scraper is the first to call each of them.
    for (address, path) in [
        (second.trim(), "/debug/pprof/heap"),
        (program.address(), "/hello"),
    ] {
        assert_eq!(get(address, path).expect("answered").status, 200);
    }
    await_ports(&golens, &[first]);
    let named = wait_for("the second socket to be named", PATIENCE, || {
        let mut found = golens.registry().discovered.into_iter();
        found.find(|found| found.outcome == "named" && port(&found.address) == port(&second))
    });
    assert!(
        named
            .reason
            .as_ref()
            .is_some_and(|reason| reason.starts_with("pprof"))
    );
    golens.stop();
}

#[test]
fn a_process_may_stay_out() {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let program = program(&cgroup, &run, "golens.registry=off");
    let golens = Settings::for_cgroup(&cgroup)
        .with_registry(&run)
        .start(&run);
    let left_out = wait_for("the socket to be left out", PATIENCE, || {
        let found = golens.registry().discovered;
        found.into_iter().find(|found| found.pid == program.pid())
    });
    assert_eq!(left_out.outcome, "left_out");
    assert_eq!(
        left_out.reason.as_deref(),
        Some("the process sets golens.registry=off")
    );
    assert_eq!(golens.instances(), []);
    golens.stop();
}

#[test]
fn a_taken_port_stops_nothing_and_is_taken_when_it_is_free() {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let other = TcpListener::bind("127.0.0.1:0").expect("bound");
    let taken = other.local_addr().expect("known").to_string();
    let program = program(&cgroup, &run, "");
    let golens = Settings::for_cgroup(&cgroup)
        .with_registry(&run)
        .set("registry.http", json!([taken]))
        .start(&run);
    let _row = golens.await_attached(program.pid(), &["http"]);
    await_ports(&golens, &[port(program.address())]);
    let registry = golens.registry();
    let listener = registry.listeners.iter().find(|row| row.protocol == "http");
    let listener = listener.expect("the taken one");
    assert!(!listener.listening);
    let reason = listener.reason.as_deref().unwrap_or_default();
    assert!(reason.contains("cannot listen on"), "{reason}");
    let _others_answer = golens.registry_at("dns");
    drop(other);
    wait_until("the port to be taken over", PATIENCE, || {
        golens.registry().address("http") == Some(taken.as_str())
    });
    wait_until("the metric to say so", PATIENCE, || {
        let listening = [("state", "listening")];
        golens
            .metrics()
            .count("golens_registry_listeners", &listening)
            == 3
    });
    golens.stop();
}

#[test]
fn a_folder_that_cannot_be_made_leaves_the_observing_half() {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let file = run.path().join("file");
    std::fs::write(&file, "no folder").expect("written");
    let program = program(&cgroup, &run, "");
    let golens = Settings::for_cgroup(&cgroup)
        .with_registry(&run)
        .set("registry.data", json!(file.join("below")))
        .start(&run);
    let _row = golens.await_attached(program.pid(), &["http"]);
    let registry = golens.registry();
    assert_eq!(registry.state, "waiting");
    let reason = registry.reason.unwrap_or_default();
    assert!(
        reason.contains("cannot make the data directory"),
        "{reason}"
    );
    golens.stop();
}

/// What a program says of the answers it got.
#[derive(Debug, PartialEq, Deserialize)]
struct Asked {
    /// Answers with status 200 before another one.
    ok: u32,
    /// Status of the first other answer; 0 when there was none.
    status: u16,
    /// Its `Retry-After`.
    retry_after: String,
}

/// Lets a program ask the registry until it is refused, or was answered `most` times.
fn ask(program: &Program, network: &str, address: &str, most: u32) -> Asked {
    let path =
        format!("/ask?network={network}&address={address}&path=/v1/catalog/services&most={most}");
    program.get(&path).json()
}

#[test]
fn each_process_behind_one_address_has_a_budget_of_its_own() {
    const BURST: u32 = 400;
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let [greedy, modest] = ["", ""].map(|none| program(&cgroup, &run, none));
    let socket = run.path().join("registry.sock").display().to_string();
    let golens = Settings::for_cgroup(&cgroup)
        .with_registry(&run)
        .set(
            "registry.http",
            json!(["127.0.0.1:0", format!("unix://{socket}")]),
        )
        // One comes back per second, which is nothing beside what follows.
        .set(
            "registry.limits",
            json!({"requests_per_second": 1, "burst": BURST}),
        )
        .start(&run);
    let tcp = &golens.registry_at("http");

    let refused = ask(&greedy, "tcp", tcp, 10 * BURST);
    assert!(refused.ok >= BURST, "{refused:?}");
    assert_eq!((refused.status, refused.retry_after.as_str()), (429, "1"));
    // A new connection, or another kind of one, is no new budget.
    for (network, address) in [("tcp", tcp), ("unix", &socket)] {
        let again = ask(&greedy, network, address, BURST);
        assert_eq!(again.status, 429, "{network}: {again:?}");
    }
    // The neighbour calls from the same address.
    for (network, address) in [("tcp", tcp), ("unix", &socket)] {
        let answered = ask(&modest, network, address, BURST / 2);
        let all = Asked {
            ok: BURST / 2,
            status: 0,
            retry_after: String::new(),
        };
        assert_eq!(answered, all, "{network}");
    }
    golens.stop();
}

/// Registers an instance of `web` with a TTL check that passes.
fn register(golens: &Golens, id: &str, tags: &[&str]) {
    let body = json!({"Name": "web", "ID": id, "Port": 80, "Tags": tags,
        "Check": {"TTL": "1h", "Status": "passing"}});
    assert_eq!(
        put(golens, "/v1/agent/service/register", &body.to_string()),
        200
    );
}

#[test]
fn tags_that_nobody_well_has_are_an_event_and_a_metric() {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let golens = Settings::for_cgroup(&cgroup)
        .with_registry(&run)
        .set(
            "registry.tag_rules",
            json!([{"tag": "debug-*", "callers": ["service john"]}]),
        )
        .start(&run);
    register(&golens, "base", &[]);
    register(&golens, "new", &["canary"]);
    register(&golens, "john", &["debug-john"]);
    let address = &golens.registry_at("http");
    let resolve = |tag: &str| {
        let path = format!("/v1/health/service/web?fallback&tag={tag}");
        let answer = get(address, &path).expect("answered");
        let ids: Vec<Value> = answer.json();
        let ids = ids.iter().map(|entry| entry["Service"]["ID"].to_string());
        ids.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(resolve("canary"), "\"new\"");
    assert_eq!(put(&golens, "/v1/agent/check/fail/service:new", ""), 200);
    assert_eq!(resolve("canary"), "\"base\"");
    // What is for others is neither found nor anybody's fallback, and that is no event.
    assert_eq!(resolve("debug-john"), "\"base\"");
    assert_eq!(put(&golens, "/v1/agent/check/pass/service:new", ""), 200);
    assert_eq!(resolve("canary"), "\"new\"");

    let events = wait_for("both events", PATIENCE, || {
        let events = golens.registry().events;
        (events.len() >= 2).then_some(events)
    });
    let told: Vec<_> = events
        .iter()
        .map(|event| {
            (
                event.kind.as_str(),
                event.subject.as_str(),
                event.reason.as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (
                "tag_fallback",
                "default/web canary",
                "no instance with these tags is well"
            ),
            (
                "tag_back",
                "default/web canary",
                "an instance with these tags is well again"
            ),
        ]
    );
    for (matched, count) in [("tag", 2), ("fallback", 2), ("namespace", 0), ("panic", 0)] {
        let labels = [("matched", matched)];
        let counted = golens
            .metrics()
            .count("golens_registry_resolves_total", &labels);
        assert_eq!(counted, count, "{matched}");
    }
    golens.stop();
}
