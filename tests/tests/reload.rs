//! Settings change while golens runs: nothing is lost, nothing twice, and what needs a restart says so.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use tests::harness::{
    Cgroup, Collector, Golens, HttpCountStats, Load, RunDir, Settings, Spawn, Target, get, request,
    wait_for, wait_until,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// Of every kind of setting that changes while golens runs, one changes under load. The program's own count,
/// golens' metrics and the spans in both back ends agree to the request.
#[test]
fn settings_change_under_load_and_nothing_is_lost_or_doubled() {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let program = Spawn::new(Target::new("httpcount").build())
        .service("count")
        .in_cgroup(&cgroup)
        .start(&run);
    let (first, second) = (Collector::start(), Collector::start());
    let mut settings = Settings::for_cgroup(&cgroup)
        .set("otlp.protocol", json!("http/protobuf"))
        .set("otlp.queue", json!(1_000_000))
        .set("otlp.endpoint", json!(first.endpoint()))
        .set("runtime.interval", json!("1h"));
    let golens = settings.clone().start(&run);
    let _row = golens.await_attached(program.pid(), &["http", "log", "gc"]);
    let load = Load::on(program.address(), "/hello").and(program.address(), "/log");
    let load = load.connections(8).rate(1_000).start();
    await_more(&golens, 500);

    let changes: [&[(&str, Value)]; 6] = [
        &[("otlp.endpoint", json!(second.endpoint()))],
        &[
            ("probes.drain", json!("20ms")),
            ("recent.keep", json!("20m")),
        ],
        &[("scope.exclude_executables", json!(["*/somebody-else"]))],
        &[
            ("runtime.interval", json!("100ms")),
            ("runtime.goroutines.interval", json!("1s")),
            ("metrics.classic_names", json!(true)),
        ],
        &[
            ("probes.goroutines.enabled", json!(true)),
            ("probes.goroutines.every", json!("1s")),
            ("probes.goroutines.length", json!("100ms")),
        ],
        &[
            ("otlp.endpoint", json!(first.endpoint())),
            ("otlp.queue", json!(500_000)),
        ],
    ];
    for (generation, change) in (2..).zip(changes) {
        for (path, value) in change {
            settings = settings.set(path, value.clone());
        }
        let event = golens.reconfigure(&settings);
        assert_eq!(event["happened"], "applied", "{event:#}");
        assert_eq!(event["generation"], generation);
        await_more(&golens, 500);
    }
    let refused = golens.reconfigure(&settings.clone().set("probes.ring", json!("4MiB")));
    assert_eq!(refused["happened"], "rejected", "{refused:#}");
    // What changed took effect, too, and not only did no harm.
    wait_until("readings at the new interval", PATIENCE, || {
        readings(&golens) >= 20
    });
    wait_until("a window of goroutines", PATIENCE, || {
        let targets = golens.targets();
        targets.iter().any(|target| !target.windows.is_empty())
    });
    let classic = golens.metrics();
    assert!(!classic.find("go_goroutines", &[]).is_empty());

    let summary = load.stop();
    summary.assert_all("200");
    golens.await_requests("count", summary.requests);
    let truth: HttpCountStats = program.get("/stats").json();
    assert_eq!(
        truth.requests["/hello"] + truth.requests["/log"],
        summary.requests
    );
    // With the request for the count itself.
    let spans = summary.requests + 1;
    golens.await_requests("count", spans);
    assert_eq!(golens.drops(), [].into(), "nothing is lost");
    assert_eq!(golens.metrics().count("golens_spans_total", &[]), spans);
    assert_eq!(
        golens.metrics().count("golens_log_lines_total", &[]),
        truth.log_writes
    );
    let exported = || (first.ids(), second.ids());
    wait_until("all spans to arrive", PATIENCE, || {
        let (first, second) = exported();
        (first.len() + second.len()) as u64 >= spans
    });
    golens.stop();
    let (first, second) = exported();
    assert!(!first.is_empty() && !second.is_empty());
    let sent = (first.len() + second.len()) as u64;
    let different: BTreeSet<_> = first.into_iter().chain(second).collect();
    assert_eq!((sent, different.len() as u64), (spans, spans));
    program.stop();
}

/// Rules of discovery: who comes into the scope is attached, who leaves it is left alone, who stays keeps its
/// probes and counts.
#[test]
fn another_scope_takes_in_and_lets_go_without_touching_the_others() {
    let (run, stays, goes, comes) = (RunDir::new(), Cgroup::new(), Cgroup::new(), Cgroup::new());
    let binary = Target::new("httpcount").build();
    let start = |cgroup, service: &str| {
        let spawn = Spawn::new(&binary).service(service);
        spawn.in_cgroup(cgroup).start(&run)
    };
    let programs = [
        start(&stays, "stays"),
        start(&goes, "goes"),
        start(&comes, "comes"),
    ];
    let [staying, going, coming] = &programs;
    let scope = |one: &Cgroup, other: &Cgroup| {
        Settings::open().set("scope.cgroups", json!([one.scope(), other.scope()]))
    };
    let golens = scope(&stays, &goes).start(&run);
    for program in [staying, going] {
        let _row = golens.await_attached(program.pid(), &["http"]);
    }
    let hundred = |program: &tests::harness::Program| {
        let load = Load::on(program.address(), "/hello").requests(100);
        load.run().assert_all("200");
    };
    programs.iter().for_each(hundred);
    golens.await_requests("stays", 100);
    golens.await_requests("goes", 100);

    let event = golens.reconfigure(&scope(&stays, &comes));
    assert_eq!(event["happened"], "applied", "{event:#}");
    let _row = golens.await_attached(coming.pid(), &["http"]);
    wait_until("the process that left the scope to go", PATIENCE, || {
        golens
            .targets()
            .iter()
            .all(|target| target.pid != going.pid())
    });
    programs.iter().for_each(hundred);
    golens.await_requests("stays", 200);
    golens.await_requests("comes", 100);
    assert!(
        golens.requests_of("goes") <= 100,
        "nothing is counted any more"
    );
    let row = golens.await_attached(staying.pid(), &["http"]);
    let hits: u64 = row
        .probes
        .iter()
        .filter(|it| it.feature == "http")
        .map(|it| it.hits)
        .sum();
    assert_eq!(hits, 400, "its probes were never taken away");
    golens.stop();
}

/// A restart with a broken file starts with what worked last and says so; the first start ever says what is
/// wrong; the mended file takes effect without a further restart.
#[test]
fn a_broken_file_starts_with_what_worked_last() {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let settings = Settings::for_cgroup(&cgroup).set("recent.keep", json!("7m"));
    let state = run.path().join("state");
    let golens = settings.clone().kept_in(&state).start(&run);
    assert_eq!(generation(&golens), Some(1));
    golens.stop();
    let broken = settings.clone().set("recent.keep", json!("soon"));
    let golens = broken.kept_in(&state).start(&run);
    let config = golens.config();
    assert_eq!(generation(&golens), Some(1));
    assert!(!config.documents[0].last_change_ok);
    assert_eq!(config.documents[0].refused["validate"], 1);
    let happened: Vec<_> = config
        .events
        .iter()
        .map(|event| &event["happened"])
        .collect();
    assert_eq!(happened, ["rejected", "started_from_last_known_good"]);
    let problem = &config.events[0]["problems"][0];
    assert_eq!(problem["path"], "recent.keep");
    assert_eq!(problem["got"], "\"soon\"");
    assert!(
        problem["line"].is_u64() && problem["column"].is_u64(),
        "{problem:#}"
    );
    assert!(
        golens
            .output()
            .contains("started from the last known good configuration")
    );
    let event = golens.reconfigure(&settings.set("recent.keep", json!("8m")));
    assert_eq!(
        (&event["happened"], &event["generation"]),
        (&json!("applied"), &json!(2))
    );
    golens.stop();
}

/// What needs a restart is refused with that reason, setting by setting, and nothing else of the file is taken.
#[test]
fn what_needs_a_restart_is_refused_with_that_reason() {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let settings = Settings::for_cgroup(&cgroup);
    let golens = settings.clone().start(&run);
    let refused = golens.reconfigure(
        &settings
            .clone()
            .set("http.listen", json!("127.0.0.1:1"))
            .set("probes.ring", json!("4KiB"))
            .set("probes.drain", json!("1s")),
    );
    assert_eq!(refused["happened"], "rejected", "{refused:#}");
    assert_eq!(
        (&refused["stage"], &refused["running"]),
        (&json!("prepare"), &json!(1))
    );
    let told: Vec<_> = refused["problems"]
        .as_array()
        .into_iter()
        .flatten()
        .collect();
    let paths: Vec<_> = told.iter().map(|problem| &problem["path"]).collect();
    assert_eq!(paths, ["probes.ring", "http.listen"]);
    for problem in told {
        let message = problem["message"].as_str().unwrap_or_default();
        assert!(message.contains("needs a restart of golens: "), "{message}");
        assert!(problem["line"].is_u64(), "{problem:#}");
    }
    assert_eq!(
        golens.config().documents[0].refused,
        [("prepare".to_owned(), 1)].into()
    );
    let metrics = golens.metrics();
    let labels = [("document", "golens/settings"), ("stage", "prepare")];
    wait_until("the count of refusals", PATIENCE, || {
        golens
            .metrics()
            .count("golens_config_refused_total", &labels)
            == 1
    });
    assert_eq!(metrics.count("golens_config_generation", &labels[..1]), 1);
    let event = golens.reconfigure(&settings.set("probes.drain", json!("40ms")));
    assert_eq!(event["happened"], "applied", "{event:#}");
    golens.stop();
}

/// What the registry, documents and Apollo's clients may, without a restart.
#[test]
fn policies_change_without_a_restart() {
    let (run, nobody) = (RunDir::new(), Cgroup::new());
    let file = run.path().join("app.yaml");
    std::fs::write(&file, "port: 1\n").expect("written");
    let document = json!({"namespace": "shop", "name": "app.yaml", "sources": [{"file": file}]});
    let settings = Settings::for_cgroup(&nobody)
        .with_registry(&run)
        .set("config.http", json!(["127.0.0.1:0"]))
        .set("config.grpc", json!([]))
        .set("config.apollo", json!(["127.0.0.1:0"]))
        .set("config.documents", json!([document]));
    let golens = settings.clone().start(&run);
    let pid = golens.pid();
    let keys = golens.registry_at("http");
    let served = |protocol: &str| {
        wait_for("documents to be served", PATIENCE, || {
            let listeners = golens.config().listeners;
            let mut at = listeners.into_iter().filter(|it| it.listening);
            let found = at.find(|it| it.protocol == protocol)?;
            found.address.strip_prefix("http://").map(str::to_owned)
        })
    };
    let (http, apollo) = (served("http"), served("apollo"));
    let read = || {
        get(&http, "/v1/config/shop/app.yaml")
            .expect("answered")
            .status
    };
    let release = || {
        get(&apollo, "/configs/shop/default/app.yaml")
            .expect("answered")
            .status
    };
    let sees = || {
        let answer = get(&keys, "/v1/health/service/web").expect("answered");
        (answer.status == 200).then(|| answer.json::<Vec<Value>>().len())
    };
    let web = json!({"Name": "web", "Port": 80, "Tags": ["prod"]}).to_string();
    let registered = request(&keys, "PUT", "/v1/agent/service/register", &[], &web);
    assert_eq!(registered.expect("answered").status, 200);
    let burst = || {
        let answers = (0..40).map(|_| get(&keys, "/v1/catalog/services").expect("answered").status);
        answers.filter(|status| *status == 429).count()
    };
    assert_eq!((sees(), burst(), read(), release()), (Some(1), 0, 200, 200));

    let role = json!([{"name": "nobody", "read": []}]);
    let strict = settings
        .clone()
        .set("registry.limits.requests_per_second", json!(5))
        .set("registry.limits.burst", json!(20))
        .set(
            "registry.tag_rules",
            json!([{"tag": "prod", "callers": ["nobody"]}]),
        )
        .set("config.access.roles", role)
        .set(
            "config.apollo_keys",
            json!([{"app": "shop", "secret": "a key"}]),
        );
    let event = golens.reconfigure(&strict);
    assert_eq!(event["happened"], "applied", "{event:#}");
    wait_until("the tag to be kept from others", PATIENCE, || {
        sees() == Some(0)
    });
    assert!(burst() > 0, "a burst is taken whole");
    assert_eq!(read(), 403);
    wait_until("a signature to be asked for", PATIENCE, || release() == 401);

    let event = golens.reconfigure(&settings);
    assert_eq!(event["happened"], "applied", "{event:#}");
    wait_until("the tag to be free again", PATIENCE, || sees() == Some(1));
    assert_eq!((burst(), read()), (0, 200));
    wait_until("no signature to be asked for", PATIENCE, || {
        release() == 200
    });
    assert_eq!(golens.pid(), pid);
    golens.stop();
}

fn generation(golens: &Golens) -> Option<u64> {
    let config = golens.config();
    let own = config
        .documents
        .iter()
        .find(|it| it.document == "golens/settings");
    own.and_then(|own| own.generation)
}

/// Waits until so many more requests were counted.
fn await_more(golens: &Golens, requests: u64) {
    let before = golens.requests_of("count");
    wait_until("requests to go on", PATIENCE, || {
        golens.requests_of("count") >= before + requests
    });
}

fn readings(golens: &Golens) -> u64 {
    golens.metrics().count("golens_runtime_readings_total", &[])
}
