//! A small Apollo, made from its protocol alone: it shares no line with the server of this crate.
//!
//! ```text
//! GET /configs/APP/CLUSTER/NAMESPACE?releaseKey=&label=&ip=   200 release, 304 when it is that one, 404
//! GET /notifications/v2?appId=&cluster=&notifications=        200 news, 304 when there were none for a while
//! ```
//! With an access key, requests without a good signature get 401.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key, sign};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// How long a poll without news is held; a real Apollo holds it for a minute.
const HELD: Duration = Duration::from_millis(500);
/// How far clocks may be apart, ms.
const SKEW_MS: u128 = 60_000;

type Entries = BTreeMap<String, String>;

/// What one namespace has.
#[derive(Clone, Default)]
struct Namespace {
    release_key: String,
    entries: Entries,
    /// Release key and entries by label.
    gray: BTreeMap<String, (String, Entries)>,
    notification: i64,
}

/// A request that was answered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asked {
    /// `configs` or `notifications`.
    pub(crate) what: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) status: u16,
}

#[derive(Default)]
struct State {
    /// By `APP+CLUSTER+NAMESPACE`.
    namespaces: BTreeMap<String, Namespace>,
    key: Option<String>,
    asked: Vec<Asked>,
    newest: i64,
}

/// The server; it ends when this is dropped.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    news: watch::Sender<i64>,
    serving: JoinSet<()>,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let mut upstream = Self {
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            state: Arc::default(),
            news: watch::Sender::new(0),
            serving: JoinSet::new(),
        };
        upstream.up().await;
        upstream
    }

    /// Listens again where it listened before.
    pub(crate) async fn up(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.address = listener.local_addr().unwrap();
        let (state, news) = (Arc::clone(&self.state), self.news.subscribe());
        self.serving.spawn(async move {
            // Connections end with the listener.
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(answer(stream, Arc::clone(&state), news.clone()));
            }
        });
    }

    /// Closes the port and every connection.
    pub(crate) async fn down(&mut self) {
        self.serving.shutdown().await;
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on requests must be signed with this key.
    pub(crate) fn sign_with(&self, key: &str) {
        self.state.lock().unwrap().key = Some(key.to_owned());
    }

    /// Releases entries in a namespace of the application `shop`, then tells of it.
    pub(crate) fn release(&self, namespace: &str, release_key: &str, entries: &[(&str, &str)]) {
        self.change(namespace, |it| {
            release_key.clone_into(&mut it.release_key);
            it.entries = owned(entries);
        });
    }

    /// The same for those with a label only.
    pub(crate) fn gray(&self, namespace: &str, label: &str, key: &str, entries: &[(&str, &str)]) {
        self.change(namespace, |it| {
            let release = (key.to_owned(), owned(entries));
            it.gray.insert(label.to_owned(), release);
        });
    }

    /// Deletes a namespace, then tells of it.
    pub(crate) fn delete(&self, namespace: &str) {
        self.change(namespace, |it| {
            *it = Namespace::default();
        });
    }

    /// What was asked and answered so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.state.lock().unwrap().asked.clone()
    }

    fn change(&self, namespace: &str, change: impl FnOnce(&mut Namespace)) {
        let newest = {
            let mut state = self.state.lock().unwrap();
            state.newest += 1;
            let newest = state.newest;
            let place = format!("shop+default+{namespace}");
            let changed = state.namespaces.entry(place).or_default();
            change(changed);
            changed.notification = newest;
            newest
        };
        self.news.send_replace(newest);
    }
}

fn owned(entries: &[(&str, &str)]) -> Entries {
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    entries.iter().map(own).collect()
}

/// Apollo's signature of a text.
pub(crate) fn signature(key: &str, text: &str) -> String {
    let key = Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes());
    STANDARD.encode(sign(&key, text.as_bytes()))
}

/// Answers one request. A client that goes away is none of our business.
async fn answer(mut stream: TcpStream, state: Arc<Mutex<State>>, news: watch::Receiver<i64>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read_exact(&mut byte).await.is_err() {
            return;
        }
        request.extend(byte);
    }
    let request = String::from_utf8(request).unwrap();
    let target = request.split(' ').nth(1).unwrap().to_owned();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let query: BTreeMap<_, _> = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    let parts: Vec<_> = path.trim_matches('/').split('/').map(decoded).collect();
    let is_signed = is_signed(&state, &request, &target);
    let (status, body) = match parts.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        _ if !is_signed => (401, json!({"status": 401, "message": "Unauthorized"})),
        ["configs", app, cluster, namespace] => {
            config(&state.lock().unwrap(), app, cluster, namespace, &query)
        }
        ["notifications", "v2"] => notifications(&state, news, &query).await,
        _ => (404, Value::Null),
    };
    let what = parts.into_iter().next().unwrap_or_default();
    state.lock().unwrap().asked.push(Asked {
        what,
        query,
        status,
    });
    let body = if status == 200 {
        body.to_string()
    } else {
        String::new()
    };
    let length = body.len();
    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n");
    drop(
        stream
            .write_all(format!("{head}\r\n{body}").as_bytes())
            .await,
    );
}

fn decoded(part: &str) -> String {
    let decoded = percent_encoding::percent_decode_str(part).decode_utf8();
    decoded.unwrap().into_owned()
}

/// Whether the request is signed as it must be: `{ms}\n{path and query as sent}`.
fn is_signed(state: &Mutex<State>, request: &str, target: &str) -> bool {
    let Some(key) = state.lock().unwrap().key.clone() else {
        return true;
    };
    let header = |name: &str| {
        let named = |line: &&str| line.to_ascii_lowercase().starts_with(&format!("{name}: "));
        let line = request.lines().find(named).unwrap_or_default();
        line.split_once(": ").unwrap_or_default().1.to_owned()
    };
    let timestamp = header("timestamp");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let is_fresh = timestamp
        .parse::<u128>()
        .is_ok_and(|sent| now.as_millis().abs_diff(sent) <= SKEW_MS);
    let expected = signature(&key, &format!("{timestamp}\n{target}"));
    is_fresh && header("authorization") == format!("Apollo shop:{expected}")
}

fn config(
    state: &State,
    app: &str,
    cluster: &str,
    namespace: &str,
    query: &BTreeMap<String, String>,
) -> (u16, Value) {
    let released = state
        .namespaces
        .get(&format!("{app}+{cluster}+{namespace}"));
    let Some(released) = released.filter(|it| !it.release_key.is_empty()) else {
        return (404, Value::Null);
    };
    let asked = |name: &str| query.get(name).map_or("", String::as_str);
    let main = (&released.release_key, &released.entries);
    let gray = released.gray.get(asked("label"));
    let (key, entries) = gray.map_or(main, |(key, entries)| (key, entries));
    if asked("releaseKey") == key {
        return (304, Value::Null);
    }
    let release = json!({
        "appId": app,
        "cluster": cluster,
        "namespaceName": namespace,
        "configurations": entries,
        "releaseKey": key,
    });
    (200, release)
}

/// The waiter stands in line before it looks.
async fn notifications(
    state: &Mutex<State>,
    mut news: watch::Receiver<i64>,
    query: &BTreeMap<String, String>,
) -> (u16, Value) {
    let known: Vec<Value> = serde_json::from_str(&query["notifications"]).unwrap();
    let (app, cluster) = (&query["appId"], &query["cluster"]);
    let look = || {
        let state = state.lock().unwrap();
        let newer = known.iter().filter_map(|known| {
            let namespace = known["namespaceName"].as_str()?;
            let place = format!("{app}+{cluster}+{namespace}");
            let id = state.namespaces.get(&place)?.notification;
            (id > known["notificationId"].as_i64()?).then(|| {
                let details = json!({ place: id });
                json!({
                    "namespaceName": namespace,
                    "notificationId": id,
                    "messages": {"details": details},
                })
            })
        });
        newer.collect::<Vec<_>>()
    };
    let wait = async {
        loop {
            news.borrow_and_update();
            let newer = look();
            if !newer.is_empty() {
                return newer;
            }
            news.changed().await.unwrap();
        }
    };
    match tokio::time::timeout(HELD, wait).await {
        Ok(newer) => (200, Value::from(newer)),
        Err(_no_news) => (304, Value::Null),
    }
}
