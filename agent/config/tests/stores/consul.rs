//! A stand-in for Consul's key-value API, with the behaviour that makes clients go wrong: an index that goes
//! back, an index of 0, errors, answers that come early, and servers that are none.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// What the stand-in says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Say {
    pub(crate) index: u64,
    pub(crate) rows: BTreeMap<String, String>,
    /// Instead of an answer: this status, without Consul's headers.
    pub(crate) fails_with: Option<u16>,
}

/// A question as it came.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asked {
    /// Path and query.
    pub(crate) path: String,
    pub(crate) token: Option<String>,
}

pub(crate) struct Consul {
    pub(crate) address: SocketAddr,
    say: watch::Sender<Say>,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

impl Consul {
    pub(crate) async fn start(index: u64, rows: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (say, heard) = watch::channel(Say::default());
        let asked = Arc::default();
        let noted = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                drop(tokio::spawn(answer(
                    stream,
                    heard.clone(),
                    Arc::clone(&noted),
                )));
            }
        });
        let consul = Self {
            address,
            say,
            asked,
            task,
        };
        consul.say(index, rows);
        consul
    }

    /// From now on these keys, at this index.
    pub(crate) fn say(&self, index: u64, rows: &[(&str, &str)]) {
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        self.say.send_replace(Say {
            index,
            rows: rows.iter().map(own).collect(),
            fails_with: None,
        });
    }

    /// From now on this status and nothing else; questions that are held end, too.
    pub(crate) fn fail(&self, status: u16) {
        self.say.send_modify(|say| say.fails_with = Some(status));
    }

    /// Everything that was asked until now.
    pub(crate) fn asked(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.asked.lock().unwrap()
    }

    /// Waits until `count` questions were asked.
    pub(crate) async fn was_asked(&self, count: usize) -> Vec<Asked> {
        let asked = async {
            while self.asked().len() < count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), asked)
            .await
            .unwrap();
        self.asked().clone()
    }
}

impl Drop for Consul {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    mut stream: TcpStream,
    mut heard: watch::Receiver<Say>,
    noted: Arc<Mutex<Vec<Asked>>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_gone) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    let token = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("x-consul-token")
            .then(|| value.to_owned())
    });
    let after = parameter(&path, "index").map(|text| text.parse::<u64>().unwrap());
    let asked = Asked {
        path: path.clone(),
        token,
    };
    noted.lock().unwrap().push(asked);
    let is_news = |say: &Say| {
        // An index that it never gave is answered at once, as Consul does after a restore.
        say.fails_with.is_some() || after.is_none_or(|after| say.index != after)
    };
    let Ok(say) = heard.wait_for(is_news).await.map(|say| say.clone()) else {
        return;
    };
    let text = rendered(&path, &say);
    // Who does not wait for the answer does not get it.
    drop(stream.write_all(text.as_bytes()).await);
}

fn rendered(path: &str, say: &Say) -> String {
    if let Some(status) = say.fails_with {
        return response(status, "", "rpc error: No cluster leader");
    }
    let key = path.strip_prefix("/v1/kv/").unwrap();
    let key = key.split('?').next().unwrap();
    let key = percent_encoding::percent_decode_str(key)
        .decode_utf8()
        .unwrap();
    let is_wanted = |row: &(&String, &String)| match path.contains("recurse") {
        true => row.0.starts_with(&*key),
        false => *row.0 == key,
    };
    let rows: Vec<_> = say.rows.iter().filter(is_wanted).collect();
    let row = |(key, value): &(&String, &String)| {
        // Consul says `null` for an empty value.
        let value = (!value.is_empty()).then(|| STANDARD.encode(value));
        json!({"Key": key, "Value": value, "Flags": 0, "LockIndex": 0, "CreateIndex": 1, "ModifyIndex": 1})
    };
    let index = format!("X-Consul-Index: {}\r\n", say.index);
    match rows.is_empty() {
        true => response(404, &index, ""),
        false => {
            let rows: Vec<_> = rows.iter().map(row).collect();
            response(200, &index, &json!(rows).to_string())
        }
    }
}

fn response(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} x\r\nContent-Length: {length}\r\n{headers}Connection: close\r\n\r\n{body}"
    )
}

fn parameter<'a>(path: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = path.split_once('?')?;
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value)
        .next()
}
