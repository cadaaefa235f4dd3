//! agollo, unmodified, against the agent: first load, changes, access key, and a start while neither upstream nor
//! the agent is there. Long, because agollo waits some seconds between two polls.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use serde::Deserialize;
use serde_json::json;
use tests::harness::{Cgroup, Golens, RunDir, Settings, Target, get, wait_for, wait_until};

const PATIENCE: Duration = Duration::from_secs(90);
const KEY: &str = "6ce3ff7e96a24335a9634fe9abca6d51";

/// What the program says of a namespace.
#[derive(Debug, Deserialize, PartialEq)]
struct Said {
    event: String,
    namespace: String,
    values: Option<BTreeMap<String, String>>,
}

/// A program that reads `app.yaml` of the application `shop` with agollo; killed when dropped.
struct Agollo {
    process: Child,
    said: Receiver<Said>,
}

impl Agollo {
    fn start(address: &str, key: &str, cache: &Path) -> Self {
        fs::create_dir_all(cache).expect("a folder");
        let mut process = Command::new(Target::new("agollo/follow").build())
            .args([&format!("http://{address}"), "shop", "app.yaml", "", key])
            .arg(cache)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        let output = BufReader::new(process.stdout.take().expect("is piped"));
        let (sender, said) = channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // Its own log goes to the same place and is no JSON.
                if let Ok(line) = serde_json::from_str(&line)
                    && sender.send(line).is_err()
                {
                    return;
                }
            }
        });
        Self { process, said }
    }

    fn next(&self) -> Said {
        self.said.recv_timeout(PATIENCE).expect("it says something")
    }
}

impl Drop for Agollo {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn said(event: &str, port: &str) -> Said {
    Said {
        event: event.to_owned(),
        namespace: "app.yaml".to_owned(),
        values: Some([("server.port".to_owned(), port.to_owned())].into()),
    }
}

fn write(file: &Path, port: u16) {
    let beside = file.with_extension("new");
    fs::write(&beside, format!("server:\n  port: {port}\n")).expect("written");
    fs::rename(beside, file).expect("renamed");
}

fn apollo(golens: &Golens) -> String {
    wait_for("the address of Apollo's clients", PATIENCE, || {
        let listeners = golens.config().listeners;
        let mut served = listeners.into_iter().filter(|it| it.listening);
        let found = served.find(|it| it.protocol == "apollo")?;
        found.address.strip_prefix("http://").map(str::to_owned)
    })
}

#[test]
fn agollo_follows_documents_of_the_agent() {
    let (run, nobody) = (RunDir::new(), Cgroup::new());
    let file = run.path().join("app.yaml");
    write(&file, 1);
    let document = json!({"namespace": "shop", "name": "app.yaml", "sources": [{"file": file}]});
    let settings = Settings::for_cgroup(&nobody)
        .kept_in(&run.path().join("state"))
        .set("config.http", json!([]))
        .set("config.grpc", json!([]))
        .set("config.apollo", json!(["127.0.0.1:0"]))
        .set("config.documents", json!([document]));
    let golens = settings.clone().start(&run);
    let address = apollo(&golens);
    let cache = run.path().join("cache");
    let client = Agollo::start(&address, "", &cache);
    assert_eq!(client.next(), said("loaded", "1"));
    write(&file, 2);
    assert_eq!(client.next(), said("changed", "2"));

    // From now on requests are signed; nothing is started again.
    let keys = json!([{"app": "shop", "secret": KEY}]);
    let event = golens.reconfigure(&settings.clone().set("config.apollo_keys", keys));
    assert_eq!(event["happened"], "applied", "{event:#}");
    wait_until(
        "requests without a signature to be refused",
        PATIENCE,
        || get(&address, "/configs/shop/default/app.yaml").is_some_and(|it| it.status == 401),
    );
    let signing = Agollo::start(&address, KEY, &run.path().join("signing"));
    assert_eq!(signing.next(), said("loaded", "2"));
    let guessing = Agollo::start(&address, "guessed", &run.path().join("guessing"));
    assert_ne!(guessing.next(), said("loaded", "2"));
    write(&file, 3);
    assert_eq!(signing.next(), said("changed", "3"));
    golens.stop();

    // Its own copy helps it over the time without the agent.
    drop(signing);
    let again = Agollo::start(&address, KEY, &run.path().join("signing"));
    assert_eq!(again.next(), said("loaded", "3"));
}
