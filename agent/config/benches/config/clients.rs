//! A release until each of a thousand clients of Apollo has its answer: each holds a connection of its own and
//! polls again once it was answered. A time counts from when the order to publish is written, so it has the
//! commit to disk in it.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
};

use crate::{Server, times::Times};

const CLIENTS: usize = 1_000;
const RELEASES: u32 = 50;
const GOAL_MS: f64 = 100.0;
/// Between two releases: every client polls again by then.
const PAUSE: Duration = Duration::from_millis(200);

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn measure(folder: &Path) -> Value {
    let mut server = Server::start(folder, "clients");
    let port: u16 = server.answer().parse().unwrap();
    let (heard, mut answers) = mpsc::channel(CLIENTS);
    server.order("publish 0");
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| tokio::spawn(poll(port, heard.clone())))
        .collect();
    for _ in 0..CLIENTS {
        answers.recv().await.unwrap();
    }
    let mut times = Times::default();
    for number in 1..=RELEASES {
        tokio::time::sleep(PAUSE).await;
        let start = Instant::now();
        server.order(&format!("publish {number}"));
        for _ in 0..CLIENTS {
            let at: Instant = answers.recv().await.unwrap();
            times.add(at - start);
        }
    }
    for client in clients {
        client.abort();
    }
    times.case(
        "a release is published, until each of 1,000 polling clients is answered",
        GOAL_MS,
    )
}

/// Polls for ever, and says when it was answered with news.
async fn poll(port: u16, heard: mpsc::Sender<Instant>) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut seen = -1;
    let mut answer = vec![0; 4_096];
    loop {
        let known = format!(r#"[{{"namespaceName":"application","notificationId":{seen}}}]"#);
        let known: String = form_urlencoded::byte_serialize(known.as_bytes()).collect();
        let path = format!("/notifications/v2?appId=shop&cluster=default&notifications={known}");
        let request = format!("GET {path} HTTP/1.1\r\nHost: golens\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let body = body(&mut stream, &mut answer).await;
        let at = Instant::now();
        if let Some(news) = serde_json::from_slice::<Value>(body)
            .unwrap_or_default()
            .get(0)
        {
            seen = news["notificationId"].as_i64().unwrap();
            heard.send(at).await.unwrap();
        }
    }
}

/// Reads one answer, which has its length in its head.
async fn body<'a>(stream: &mut TcpStream, buffer: &'a mut [u8]) -> &'a [u8] {
    let mut read = 0;
    loop {
        let more = stream.read(&mut buffer[read..]).await.unwrap();
        assert_ne!(more, 0, "the server hung up");
        read += more;
        let Some(end) = buffer[..read].windows(4).position(|it| it == b"\r\n\r\n") else {
            continue;
        };
        let head = std::str::from_utf8(&buffer[..end]).unwrap().to_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse().unwrap());
        if read >= end + 4 + length {
            return &buffer[end + 4..end + 4 + length];
        }
    }
}
