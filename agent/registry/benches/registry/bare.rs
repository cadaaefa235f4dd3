//! What the libraries under a registry can do at most on this machine: servers that answer the same to
//! everything, and a disk that is written and nothing else.

use std::{
    convert::Infallible,
    fs::File,
    io::Write,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use registry::state::{Engine, RedbEngine};
use tokio::{
    net::{TcpListener, UdpSocket},
    sync::watch,
};

/// Bytes of an answer, as long as those of a service with three instances.
pub(crate) const BODY: usize = 3_570;
/// Bytes of a message to a watcher.
const MESSAGE: usize = 120;
/// Path of the call that wakes all streams.
pub(crate) const WAKE: &str = "/bare/Wake";
/// Path of the call that is a stream.
pub(crate) const FOLLOW: &str = "/bare/Follow";

type Body = BoxBody<Bytes, Infallible>;

/// Serves until it is killed.
pub(crate) fn serve() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        let http = TcpListener::bind(any).await.expect("a socket");
        let grpc = TcpListener::bind(any).await.expect("a socket");
        let dns = UdpSocket::bind(any).await.expect("a socket");
        let at = |address: std::io::Result<SocketAddr>| address.expect("an address");
        println!(
            "{} {} {}",
            at(http.local_addr()),
            at(grpc.local_addr()),
            at(dns.local_addr())
        );
        let (wake, _) = watch::channel(());
        tokio::join!(
            answer_http(http, wake.clone()),
            answer_grpc(grpc, wake),
            echo(dns)
        );
    });
}

async fn answer_http(listener: TcpListener, wake: watch::Sender<()>) {
    let body = Bytes::from(vec![b'x'; BODY]);
    while let Ok((stream, _)) = listener.accept().await {
        drop(stream.set_nodelay(true));
        let (body, wake) = (body.clone(), wake.clone());
        let answer = service_fn(move |request: Request<Incoming>| {
            let body = body.clone();
            let woken = is_poll(&request).then(|| wake.subscribe());
            async move {
                let is_get = request.method() == http::Method::GET;
                drop(request.into_body().collect().await);
                if let Some(mut woken) = woken {
                    drop(woken.changed().await);
                }
                let body = if is_get { body } else { Bytes::new() };
                Ok::<_, Infallible>(with_head(Response::new(Full::new(body))))
            }
        });
        let served = http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
        tokio::spawn(served);
    }
}

/// Whether a request is to be held: a long poll that has seen something.
fn is_poll(request: &Request<Incoming>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    query
        .split('&')
        .filter_map(|pair| pair.strip_prefix("index="))
        .any(|index| index.bytes().any(|digit| digit != b'0'))
}

/// The answer with as long a head as Consul's clients want.
fn with_head(mut answer: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    for (name, value) in [
        ("content-type", "application/json"),
        ("x-consul-index", "10002"),
        ("x-consul-knownleader", "true"),
        ("x-consul-lastcontact", "0"),
        ("x-consul-effective-consistency", "leader"),
        ("x-consul-query-backend", "blocking-query"),
        ("x-consul-default-acl-policy", "allow"),
    ] {
        let name = http::HeaderName::from_static(name);
        let value = HeaderValue::from_static(value);
        answer.headers_mut().insert(name, value);
    }
    answer
}

async fn answer_grpc(listener: TcpListener, wake: watch::Sender<()>) {
    while let Ok((stream, _)) = listener.accept().await {
        drop(stream.set_nodelay(true));
        let wake = wake.clone();
        let answer = service_fn(move |request: Request<Incoming>| {
            let wake = wake.clone();
            async move { Ok::<_, Infallible>(call(request, &wake).await) }
        });
        let served = http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), answer);
        tokio::spawn(served);
    }
}

async fn call(request: Request<Incoming>, wake: &watch::Sender<()>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    drop(request.into_body().collect().await);
    let message = message();
    let body = if path == FOLLOW {
        let first = (wake.subscribe(), false);
        let messages = stream::unfold(first, move |(mut woken, is_later)| {
            let message = message.clone();
            async move {
                if is_later {
                    woken.changed().await.ok()?;
                }
                Some((Ok(Frame::data(message)), (woken, true)))
            }
        });
        StreamBody::new(messages).boxed()
    } else {
        wake.send_replace(());
        let trailers = HeaderMap::from_iter([(
            http::HeaderName::from_static("grpc-status"),
            HeaderValue::from_static("0"),
        )]);
        let end = async { Some(Ok(trailers)) };
        Full::new(message).with_trailers(end).boxed()
    };
    let mut response = Response::new(body);
    let kind = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", kind);
    response
}

/// A gRPC message that says nothing.
fn message() -> Bytes {
    let mut message = vec![0, 0, 0, 0, MESSAGE as u8];
    message.resize(5 + MESSAGE, 0);
    message.into()
}

/// Answers each datagram with itself as an answer with three records.
async fn echo(socket: UdpSocket) {
    let mut buffer = [0; 512];
    while let Ok((length, asker)) = socket.recv_from(&mut buffer).await {
        buffer[2] |= 0x80;
        buffer[7] = 3;
        drop(socket.send_to(&buffer[..length + 48], asker).await);
    }
}

/// Appends 4 KiB and waits for the disk, again and again. Returns how often per second.
pub(crate) fn syncs(folder: &Path, time: Duration) -> f64 {
    let mut file = File::create(folder.join("syncs")).expect("a file");
    let block = [0x5a; 4096];
    per_second(time, || {
        file.write_all(&block).expect("space");
        file.sync_data().expect("a disk");
    })
}

/// Commits of `rows` new rows of 400 bytes each. Returns rows per second.
pub(crate) fn commits(folder: &Path, rows: usize, time: Duration) -> f64 {
    let path = folder.join("commits.redb");
    let engine = RedbEngine::create(&path, 8 << 20, &[]).expect("a database");
    let value = [0x5a; 400];
    let mut number = 0_u64;
    let commits = per_second(time, || {
        let keys: Vec<_> = (number..)
            .take(rows)
            .map(|n| format!("instance-{n:08}"))
            .collect();
        number += rows as u64;
        let mut rows = keys.iter().map(|key| (key.as_bytes(), Some(&value[..])));
        engine.commit(&mut rows).expect("a commit");
    });
    commits * rows as f64
}

fn per_second(time: Duration, mut work: impl FnMut()) -> f64 {
    let begun = Instant::now();
    let mut count = 0_u32;
    while begun.elapsed() < time {
        work();
        count += 1;
    }
    f64::from(count) / begun.elapsed().as_secs_f64()
}
