//! Documents that programs of the node read from golens: over HTTP, with Apollo's protocol, and as keys of the
//! registry. All of them see a change, and none hears of it before it can be read.

use std::{env, fs, path::Path, process::Command, thread, time::Duration};

use serde_json::{Value, json};
use tests::harness::{Cgroup, Golens, Response, RunDir, Settings, get, request, wait_for};

const PATIENCE: Duration = Duration::from_secs(20);

/// Puts a file in place of the one before, as editors do.
fn write(file: &Path, text: &str) {
    let beside = file.with_extension("new");
    fs::write(&beside, text).expect("written");
    fs::rename(beside, file).expect("renamed");
}

/// An agent that observes nothing and serves `shop/app.yaml` from a file.
fn settings(run: &RunDir, nobody: &Cgroup) -> Settings {
    let file = run.path().join("app.yaml");
    write(&file, "server:\n  port: 1\n");
    let document = json!({"namespace": "shop", "name": "app.yaml", "sources": [{"file": file}]});
    Settings::for_cgroup(nobody)
        .with_registry(run)
        .kept_in(&run.path().join("state"))
        .set("config.http", json!(["127.0.0.1:0"]))
        .set("config.grpc", json!(["127.0.0.1:0"]))
        .set("config.apollo", json!(["127.0.0.1:0"]))
        .set("config.documents", json!([document]))
}

fn address(golens: &Golens, protocol: &str) -> String {
    wait_for("an address of documents", PATIENCE, || {
        let listeners = golens.config().listeners;
        let found = listeners
            .into_iter()
            .find(|it| it.protocol == protocol && it.listening)?;
        found.address.strip_prefix("http://").map(str::to_owned)
    })
}

fn index(answer: &Response) -> u64 {
    answer.headers["x-golens-index"].parse().expect("a number")
}

/// The next event of the document `shop/app.yaml` after the first `seen` of them.
fn event(golens: &Golens, seen: usize) -> Value {
    wait_for("something to happen to the document", PATIENCE, || {
        let events = golens.config().events;
        let mut of_it = events
            .into_iter()
            .filter(|event| event["document"]["name"] == "app.yaml")
            .filter(|event| matches!(event["happened"].as_str(), Some("applied" | "rejected")));
        of_it.nth(seen)
    })
}

#[test]
fn a_change_is_read_by_whoever_hears_of_it() {
    let (run, nobody) = (RunDir::new(), Cgroup::new());
    let golens = settings(&run, &nobody).start(&run);
    let (http, apollo) = (address(&golens, "http"), address(&golens, "apollo"));
    let keys = golens.registry_at("http");

    let path = "/v1/config/shop/app.yaml";
    let first = get(&http, path).expect("answered");
    assert_eq!(first.json::<Value>(), json!({"server": {"port": 1}}));
    let key = "/v1/kv/golens/config/shop/app.yaml.json";
    let first_key = get(&keys, &format!("{key}?raw")).expect("answered");
    assert_eq!(first_key.json::<Value>(), json!({"server": {"port": 1}}));
    let poll = |id: i64| {
        let asked = json!([{"namespaceName": "app.yaml", "notificationId": id}]).to_string();
        let asked = asked
            .replace('"', "%22")
            .replace('{', "%7B")
            .replace('}', "%7D");
        format!("/notifications/v2?appId=shop&cluster=default&notifications={asked}")
    };
    let heard: Value = get(&apollo, &poll(-1)).expect("answered").json();
    let id = heard[0]["notificationId"].as_i64().expect("an id");
    let release = |apollo: &str| {
        let answer = get(apollo, "/configs/shop/default/app.yaml").expect("answered");
        let configurations = answer.json::<Value>()["configurations"].clone();
        let content = configurations["content"].as_str().expect("a file");
        // JSON is YAML.
        serde_json::from_str::<Value>(content).expect("JSON")
    };
    assert_eq!(release(&apollo), json!({"server": {"port": 1}}));

    thread::scope(|scope| {
        let waits = [
            scope.spawn(|| {
                let waited = format!("{path}?index={}&wait=60s", index(&first));
                get(&http, &waited).expect("answered").json::<Value>()
            }),
            scope.spawn(|| {
                let waited = format!(
                    "{key}?raw&wait=60s&index={}",
                    first_key.headers["x-consul-index"]
                );
                get(&keys, &waited).expect("answered").json::<Value>()
            }),
            scope.spawn(|| {
                let heard = get(&apollo, &poll(id)).expect("answered");
                assert_eq!(heard.status, 200, "a poll without news");
                // What was heard of can be read.
                release(&apollo)
            }),
        ];
        write(&run.path().join("app.yaml"), "server:\n  port: 2\n");
        for wait in waits {
            let told = wait.join().expect("no panic");
            assert_eq!(told, json!({"server": {"port": 2}}));
        }
    });
    golens.stop();
}

#[test]
fn a_broken_document_changes_nothing_and_outlives_a_restart() {
    let (run, nobody) = (RunDir::new(), Cgroup::new());
    let agent = settings(&run, &nobody);
    let golens = agent.clone().start(&run);
    assert_eq!(event(&golens, 0)["happened"], "applied");
    write(&run.path().join("app.yaml"), "server: [port\n");
    let refused = event(&golens, 1);
    assert_eq!(
        (&refused["happened"], &refused["stage"]),
        (&json!("rejected"), &json!("parse"))
    );
    let said = |golens: &Golens| get(&address(golens, "http"), "/v1/config/shop/app.yaml");
    let served = said(&golens).expect("answered").json::<Value>();
    assert_eq!(served, json!({"server": {"port": 1}}));
    golens.stop();

    // What was good last is there again, although the file is not.
    fs::remove_file(run.path().join("app.yaml")).expect("removed");
    let golens = agent.start(&run);
    let served = said(&golens).expect("answered").json::<Value>();
    assert_eq!(served, json!({"server": {"port": 1}}));
    golens.stop();
}

#[test]
fn documents_are_for_those_whose_role_says_so() {
    let (run, nobody) = (RunDir::new(), Cgroup::new());
    let golens = settings(&run, &nobody)
        .set(
            "config.access.roles",
            json!([{"name": "shop", "read": ["shop"]}]),
        )
        .set(
            "config.access.bindings",
            json!([{"who": "token:*", "role": "shop"}]),
        )
        .start(&run);
    let http = address(&golens, "http");
    let ask = |headers: &[(&str, &str)], path: &str| {
        request(&http, "GET", path, headers, "").expect("answered")
    };
    let path = "/v1/config/shop/app.yaml";
    let nobody = ask(&[], path);
    assert_eq!(
        (nobody.status, nobody.body.as_str()),
        (403, "denied by rule no_role\n")
    );
    let wrong = ask(&[("X-Golens-Token", "guessed")], path);
    assert_eq!(
        (wrong.status, wrong.body.as_str()),
        (403, "the token is not valid\n")
    );

    let keys = &golens.registry_at("http");
    let wish = json!({"rights": {"default": "read"}}).to_string();
    let issued = request(keys, "POST", "/v1/golens/tokens", &[], &wish).expect("answered");
    let secret = issued.json::<Value>()["secret"]
        .as_str()
        .expect("a secret")
        .to_owned();
    let bearer = format!("Bearer {secret}");
    let shown = ask(&[("Authorization", &bearer)], path);
    assert_eq!(shown.json::<Value>(), json!({"server": {"port": 1}}));
    // golens' own settings have its passwords in them.
    let own = ask(
        &[("Authorization", &bearer)],
        "/v1/config/golens/settings?masked",
    );
    assert_eq!(
        (own.status, own.body.as_str()),
        (403, "denied by rule shop.write\n")
    );
    golens.stop();
}

/// Runs `golens config ... --json` on the state of the test's agent.
fn config(run: &RunDir, arguments: &[&str]) -> Result<Value, String> {
    let golens = env::var_os("GOLENS_BIN").expect("set by `cargo xtask test`");
    let state = run.path().join("state");
    let output = Command::new(golens)
        .arg("config")
        .args(arguments)
        .arg("--json")
        .arg("--state")
        .arg(state)
        .output()
        .expect("started");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.success() {
        true => Ok(serde_json::from_slice(&output.stdout).expect("JSON")),
        false => Err(text(&output.stdout) + &text(&output.stderr)),
    }
}

/// Goes back while golens runs, follows again, and does both once more while it does not.
#[test]
fn people_go_back_and_the_record_says_who_and_why() {
    let (run, nobody) = (RunDir::new(), Cgroup::new());
    let (agent, document) = (settings(&run, &nobody), "shop/app.yaml");
    let file = run.path().join("app.yaml");
    let golens = agent.clone().start(&run);
    assert_eq!(event(&golens, 0)["happened"], "applied");
    write(&file, "server:\n  port: 2\n");
    assert_eq!(event(&golens, 1)["happened"], "applied");
    let differs = json!([{"path": "server.port", "before": 1, "after": 2}]);
    let diff = config(&run, &["diff", document]).expect("told");
    assert_eq!(diff["changes"], differs);

    let order = ["rollback", document, "--to", "1", "--reason", "too new"];
    let done = config(&run, &order);
    assert_eq!(done, Ok(json!({"generation": 3})));
    let served = || get(&address(&golens, "http"), "/v1/config/shop/app.yaml").expect("answered");
    assert_eq!(served().json::<Value>(), json!({"server": {"port": 1}}));
    let denied = config(&run, &["rollback", document, "--to", "9", "--reason", "no"]);
    assert!(
        denied
            .expect_err("refused")
            .contains("generation 9 is not kept")
    );
    let done = config(&run, &["unpin", document, "--reason", "mended"]).expect("told");
    assert_eq!(done, json!({"generation": 4}));
    assert_eq!(served().json::<Value>(), json!({"server": {"port": 2}}));
    golens.stop();

    assert_eq!(config(&run, &order), Ok(json!({"generation": 5})));
    let standings = config(&run, &["history"]).expect("told");
    let of_it = standings.as_array().expect("a list").iter();
    let mut of_it = of_it.filter(|it| it["document"] == document);
    assert_eq!(of_it.next().expect("is there")["pin"], 5);
    let golens = agent.start(&run);
    let served = get(&address(&golens, "http"), "/v1/config/shop/app.yaml").expect("answered");
    assert_eq!(served.json::<Value>(), json!({"server": {"port": 1}}));

    let audit = config(&run, &["audit"]).expect("told");
    let entries = audit.as_array().expect("a list").iter();
    let of_it = entries.filter(|entry| entry["target"] == document);
    let noted: Vec<_> = of_it
        .map(|entry| {
            let outcome = entry["outcome"].as_str().expect("a text").to_owned();
            (
                entry["action"].as_str().expect("a text").to_owned(),
                outcome,
            )
        })
        .collect();
    let rolled_back: Vec<_> = noted
        .iter()
        .filter(|(action, _)| action == "config.rollback" || action == "config.unpin")
        .map(|(_, outcome)| outcome.as_str())
        .collect();
    let expected = [
        "generation 3 from 1: too new",
        "generation 3 is no longer pinned: mended",
        "generation 5 from 1: too new",
    ];
    assert_eq!(rolled_back, expected, "{noted:?}");
    let verified = config(&run, &["audit", "--verify"]).expect("whole");
    assert_eq!(verified["newest"], entries_of(&audit));
    golens.stop();
}

/// Number of the newest entry.
fn entries_of(audit: &Value) -> Value {
    let entries = audit.as_array().expect("a list");
    entries.last().expect("entries")["number"].clone()
}
