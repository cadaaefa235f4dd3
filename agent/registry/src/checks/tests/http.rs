//! HTTP checks against a server that answers what the test says.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::{SCHEDULE, critical, passing, run};
use crate::{
    checks::outcome::MOST_OUTPUT,
    model::{HttpProbe, Probe, Schedule, Status, Tls},
};

type Asked = Arc<Mutex<Vec<Request<Bytes>>>>;

/// Starts a server that keeps what it was asked.
async fn serve(
    answer: impl Fn(&Request<Bytes>) -> Response<Full<Bytes>> + Send + Sync + 'static,
) -> (SocketAddr, Asked) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (answer, asked) = (Arc::new(answer), Asked::default());
    let kept = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (answer, asked) = (Arc::clone(&answer), Arc::clone(&kept));
            let service = service_fn(move |request: Request<Incoming>| {
                let (answer, asked) = (Arc::clone(&answer), Arc::clone(&asked));
                async move {
                    let (parts, body) = request.into_parts();
                    let body = body.collect().await.unwrap().to_bytes();
                    let request = Request::from_parts(parts, body);
                    let response = answer(&request);
                    asked.lock().unwrap().push(request);
                    Ok::<_, Infallible>(response)
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (address, asked)
}

fn answer(status: u16, body: &str) -> Response<Full<Bytes>> {
    Response::builder()
        .status(status)
        .body(Full::from(body.to_owned()))
        .unwrap()
}

fn redirect(status: u16, to: &str) -> Response<Full<Bytes>> {
    let mut response = answer(status, "");
    let location = to.parse().unwrap();
    response.headers_mut().insert("location", location);
    response
}

fn probe(url: String) -> HttpProbe {
    HttpProbe {
        url,
        method: String::new(),
        headers: BTreeMap::new(),
        body: String::new(),
        tls: Tls::default(),
        schedule: SCHEDULE,
    }
}

#[tokio::test]
async fn the_status_of_the_answer_is_the_status_of_the_check() {
    let (address, _) = serve(|request| {
        let status = request.uri().path().trim_start_matches('/');
        answer(status.parse().unwrap(), "so it is")
    })
    .await;
    for (code, line, status) in [
        (200, "200 OK", Status::Passing),
        (206, "206 Partial Content", Status::Passing),
        (429, "429 Too Many Requests", Status::Warning),
        (404, "404 Not Found", Status::Critical),
        (503, "503 Service Unavailable", Status::Critical),
    ] {
        let url = format!("http://{address}/{code}");
        let outcome = run(Probe::Http(Box::new(probe(url.clone())))).await;
        let output = format!("HTTP GET {url}: {line} Output: so it is");
        assert_eq!((outcome.status, outcome.output), (status, output));
    }
}

#[tokio::test]
async fn the_request_is_the_one_that_was_registered() {
    let (address, asked) = serve(|_| answer(200, "")).await;
    let mut probe = probe(format!("http://{address}/health?deep=1"));
    probe.method = "PUT".to_owned();
    probe.body = "ping".to_owned();
    let headers = [("X-Id", vec!["a", "b"]), ("Host", vec!["web.internal"])];
    for (name, values) in headers {
        let values = values.into_iter().map(str::to_owned);
        probe.headers.insert(name.to_owned(), values.collect());
    }
    assert_eq!(
        run(Probe::Http(Box::new(probe))).await.status,
        Status::Passing
    );
    let asked = asked.lock().unwrap();
    let [request] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    let values = |name| -> Vec<&str> {
        let values = request.headers().get_all(name).iter();
        values.map(|value| value.to_str().unwrap()).collect()
    };
    assert_eq!(request.method(), "PUT");
    assert_eq!(request.uri(), "/health?deep=1");
    assert_eq!(request.body(), "ping");
    assert_eq!(values("x-id"), ["a", "b"]);
    assert_eq!(values("host"), ["web.internal"]);
    assert_eq!(values("user-agent"), ["Consul Health Check"]);
    assert_eq!(values("accept"), ["text/plain, text/*, */*"]);
    assert_eq!(values("connection"), ["close"]);
}

#[tokio::test]
async fn redirects_are_followed_and_carry_no_secret_elsewhere() {
    let (elsewhere, asked) = serve(|_| answer(200, "there")).await;
    let (address, _) = serve(move |request| match request.uri().path() {
        "/see-other" => redirect(303, "/same"),
        "/same" if request.method() == "GET" && request.body().is_empty() => {
            redirect(307, &format!("http://{elsewhere}/end"))
        }
        "/round" => redirect(302, "round"),
        _ => answer(500, ""),
    })
    .await;
    let mut first = probe(format!("http://{address}/see-other"));
    first.method = "POST".to_owned();
    first.body = "x".to_owned();
    let secret = vec!["Bearer s".to_owned()];
    first.headers.insert("Authorization".to_owned(), secret);
    let url = &first.url;
    let output = format!("HTTP POST {url}: 200 OK Output: there");
    assert_eq!(
        run(Probe::Http(Box::new(first.clone()))).await,
        passing(output)
    );
    {
        let asked = asked.lock().unwrap();
        assert_eq!(asked.len(), 1);
        assert!(!asked[0].headers().contains_key("authorization"));
        assert_eq!(asked[0].headers()["host"], elsewhere.to_string());
    }
    let round = run(Probe::Http(Box::new(probe(format!(
        "http://{address}/round"
    )))))
    .await;
    assert_eq!(round, critical("stopped after 10 redirects"));
}

#[tokio::test]
async fn of_a_long_answer_the_beginning_is_kept() {
    let (address, _) = serve(|_| answer(200, &"x".repeat(1024 * 1024))).await;
    let url = format!("http://{address}/");
    let outcome = run(Probe::Http(Box::new(probe(url.clone())))).await;
    let kept = "x".repeat(MOST_OUTPUT);
    assert_eq!(
        outcome,
        passing(format!("HTTP GET {url}: 200 OK Output: {kept}"))
    );
}

#[tokio::test]
async fn who_does_not_answer_in_time_is_critical() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut probe = probe(format!("http://{address}/"));
    probe.schedule = Schedule {
        timeout: Some(Duration::from_millis(50)),
        ..SCHEDULE
    };
    let outcome = run(Probe::Http(Box::new(probe))).await;
    assert_eq!(outcome, critical("no answer within 50ms"));
}

#[tokio::test]
async fn what_is_no_http_is_critical_with_a_reason() {
    let outcome = run(Probe::Http(Box::new(probe("unix:///x".to_owned())))).await;
    assert_eq!(
        outcome,
        critical("\"unix:///x\" is not an http:// or https:// URL")
    );
    let mut odd = probe("http://127.0.0.1:1/".to_owned());
    odd.method = "G E T".to_owned();
    let outcome = run(Probe::Http(Box::new(odd))).await;
    assert_eq!(
        outcome,
        critical("the request cannot be made: invalid HTTP method")
    );
}
