//! No secret stays behind: neither in the memory of the agent, once nothing uses it any more, nor in anything that
//! the agent says or writes.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant, SystemTime},
};

use serde_json::{Value, json};
use tests::harness::{
    Cgroup, Collector, Golens, Response, RunDir, Settings, Spawn, Target, files_with,
    found_in_memory, get, wait_for, wait_until,
};

const PATIENCE: Duration = Duration::from_secs(30);
const DOCUMENT: &str = "/v1/config/shop/app.yaml";

/// Keys of a test, and `golens config` with them.
struct Keys {
    ring: PathBuf,
    key: PathBuf,
}

impl Keys {
    fn new(folder: &Path) -> Self {
        let key = folder.join("kek");
        fs::write(&key, "5a".repeat(32)).expect("a key");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o400)).expect("for us alone");
        let ring = folder.join("keys.json");
        Self { ring, key }
    }

    /// Runs `golens config ...` with `input`, and answers what it printed.
    fn golens(&self, arguments: &[&str], input: &str) -> String {
        let golens = std::env::var_os("GOLENS_BIN").expect("set by `cargo xtask test`");
        let mut command = Command::new(golens);
        command.arg("config").args(arguments);
        command.arg("--keyring").arg(&self.ring);
        command.arg("--key-file").arg(&self.key);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("started");
        let mut stdin = process.stdin.take().expect("is piped");
        stdin.write_all(input.as_bytes()).expect("written");
        drop(stdin);
        let output = process.wait_with_output().expect("ended");
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    fn seal(&self, namespace: &str, path: &str, secret: &str) -> String {
        let place = ["--namespace", namespace, "--path", path];
        let sealed = self.golens(&[&["encrypt"][..], &place].concat(), secret);
        sealed.trim().to_owned()
    }
}

/// A secret that stands nowhere else.
fn secret(name: &str) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let nanoseconds = now.expect("after 1970").as_nanos();
    format!("{name}-{}-{nanoseconds}", std::process::id())
}

fn write(file: &Path, text: &str) {
    let beside = file.with_extension("new");
    fs::write(&beside, text).expect("written");
    fs::rename(beside, file).expect("renamed");
}

fn address(golens: &Golens, protocol: &str) -> String {
    wait_for("an address of documents", PATIENCE, || {
        let listeners = golens.config().listeners;
        let mut served = listeners.into_iter().filter(|it| it.listening);
        let found = served.find(|it| it.protocol == protocol)?;
        found.address.strip_prefix("http://").map(str::to_owned)
    })
}

/// Reads the document in every way there is, and asserts that each shows `secret`, or the masked one nothing.
fn read_everywhere(golens: &Golens, secret: &str) {
    let (http, apollo) = (address(golens, "http"), address(golens, "apollo"));
    let keys = golens.registry_at("http");
    let ways = [
        (&http, DOCUMENT.to_owned()),
        (&apollo, "/configs/shop/default/app.yaml".to_owned()),
        (&apollo, "/configfiles/raw/shop/default/app.yaml".to_owned()),
        (
            &apollo,
            "/configfiles/json/shop/default/app.yaml".to_owned(),
        ),
        (
            &keys,
            "/v1/kv/golens/config/shop/app.yaml.json?raw".to_owned(),
        ),
    ];
    for (address, path) in &ways {
        wait_until("the secret to be served", PATIENCE, || {
            let answer = get(address, path).expect("answered");
            answer.status == 200 && answer.body.contains(secret)
        });
    }
    let masked = get(&http, &format!("{DOCUMENT}?masked")).expect("answered");
    let password = &masked.json::<Value>()["db"]["password"];
    assert_eq!(password, "***");
}

/// Everything that the agent says to somebody who is not to see secrets.
fn said(golens: &Golens, run: &RunDir) -> String {
    let (agent, http) = (golens.address(), address(golens, "http"));
    let text = |answer: Option<Response>| answer.expect("answered").body;
    let masked = "/v1/config/golens/settings?masked";
    let mut all = vec![golens.output(), text(get(&http, masked))];
    for path in [
        "/metrics",
        "/api/v1/config",
        "/api/v1/logs",
        "/api/v1/targets",
    ] {
        all.push(text(get(agent, path)));
    }
    let state = run.path().join("state");
    for command in [
        &["history", "shop/app.yaml"][..],
        &["history", "golens/settings"],
        &["diff", "shop/app.yaml", "1", "3"],
        &["audit"],
    ] {
        let binary = std::env::var_os("GOLENS_BIN").expect("set by `cargo xtask test`");
        let mut order = Command::new(binary);
        order.arg("config").args(command).arg("--json");
        let output = order.arg("--state").arg(&state).output().expect("started");
        assert!(output.status.success(), "{command:?}");
        all.push(String::from_utf8(output.stdout).expect("text"));
    }
    all.join("\n")
}

#[test]
fn secrets_that_are_replaced_are_gone() {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let keys = Keys::new(run.path());
    let collector = Collector::start();
    let [old, new] = ["old-password", "new-password"].map(secret);
    let [old_header, new_header] = ["old-token", "new-token"].map(secret);

    keys.golens(
        &[
            "encrypt",
            "--new-key",
            "--namespace",
            "any",
            "--path",
            "any",
        ],
        "a first key",
    );
    let file = run.path().join("app.yaml");
    let document = |sealed: &str| format!("db:\n  password: {sealed}\n  port: 1\n");
    write(&file, &document(&keys.seal("shop", "db.password", &old)));
    let header = "otlp.headers.authorization";
    let served = json!([{"namespace": "shop", "name": "app.yaml", "sources": [{"file": file}]}]);
    let settings = Settings::for_cgroup(&cgroup)
        .with_registry(&run)
        .kept_in(&run.path().join("state"))
        .set("otlp.protocol", json!("http/protobuf"))
        .set("otlp.endpoint", json!(collector.endpoint()))
        .set(header, json!(keys.seal("golens", header, &old_header)))
        .set("config.http", json!(["127.0.0.1:0"]))
        .set("config.grpc", json!(["127.0.0.1:0"]))
        .set("config.apollo", json!(["127.0.0.1:0"]))
        .set("config.keys.keyring", json!(keys.ring))
        .set("config.keys.key_file", json!(keys.key))
        .set("config.documents", served);
    let golens = settings.clone().start(&run);
    let program = Spawn::new(Target::new("httpcount").build())
        .service("count")
        .in_cgroup(&cgroup)
        .start(&run);
    let _row = golens.await_attached(program.pid(), &["http"]);
    let exported = |at_least: usize| {
        wait_until("spans to be exported", PATIENCE, || {
            drop(program.get("/hello"));
            collector.ids().len() >= at_least
        });
    };
    exported(1);
    read_everywhere(&golens, &old);
    // What finds nothing later finds something now.
    let found = found_in_memory(golens.pid(), &[&old, &old_header]);
    assert!(found.iter().all(|places| !places.is_empty()), "{found:?}");

    // A new data key, then new secrets.
    let path = file.display().to_string();
    let rewrap = [
        "rewrap",
        "--new-key",
        "--namespace",
        "shop",
        "--write",
        &path,
    ];
    keys.golens(&rewrap, "");
    let generation = |number: u64| {
        wait_until("the generation to be in force", PATIENCE, || {
            let documents = golens.config().documents;
            let mut of_it = documents.iter().filter(|it| it.document == "shop/app.yaml");
            of_it.any(|it| it.generation == Some(number))
        });
    };
    generation(2);
    read_everywhere(&golens, &old);
    write(&file, &document(&keys.seal("shop", "db.password", &new)));
    generation(3);
    let settings = settings.set(header, json!(keys.seal("golens", header, &new_header)));
    let event = golens.reconfigure(&settings);
    assert_eq!(event["happened"], "applied", "{event:#}");
    exported(collector.ids().len() + 1);
    read_everywhere(&golens, &new);
    gone(&golens, &[&old, &old_header]);
    let found = found_in_memory(golens.pid(), &[&new, &new_header]);
    assert!(found.iter().all(|places| !places.is_empty()), "{found:?}");

    let said = said(&golens, &run);
    for text in [&old, &new, &old_header, &new_header] {
        assert!(!said.contains(text.as_str()), "{text} is told: {said}");
        assert_eq!(files_with(run.path(), text), [""; 0]);
    }

    // Without any secret nothing is left of the last ones either.
    write(&file, "db:\n  port: 1\n");
    generation(4);
    let settings = settings.set("otlp.headers", json!({}));
    let event = golens.reconfigure(&settings);
    assert_eq!(event["happened"], "applied", "{event:#}");
    gone(&golens, &[&new, &new_header]);
    golens.stop();
    program.stop();
}

/// Waits until texts are nowhere in the agent's memory: connections that carried them end a little later.
fn gone(golens: &Golens, texts: &[&str]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = found_in_memory(golens.pid(), texts);
        if found.iter().all(Vec::is_empty) {
            return;
        }
        assert!(Instant::now() < deadline, "still in memory: {found:#?}");
        thread::sleep(Duration::from_millis(500));
    }
}
