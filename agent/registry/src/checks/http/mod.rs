//! HTTP checks: 2xx passes, 429 warns, all else is critical.

mod location;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header,
};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;

use super::{
    connect,
    error::ProbeError,
    outcome::{MOST_OUTPUT, Outcome},
    tls::{Alpn, TlsClients},
};
use crate::model::{HttpProbe, Status, Tls};

/// As many as Go's client follows.
const MOST_REDIRECTS: usize = 10;

const AGENT: HeaderValue = HeaderValue::from_static("Consul Health Check");
const ACCEPT: HeaderValue = HeaderValue::from_static("text/plain, text/*, */*");
const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// Header fields that a redirect to another server does not carry there.
const FOR_HOME: [HeaderName; 3] = [header::HOST, header::AUTHORIZATION, header::COOKIE];

/// One request of a run: the first, or what a redirect leads to.
struct Step {
    method: Method,
    uri: Uri,
    body: Bytes,
}

/// An answer, with as much of its body as is shown.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// The host and port that a check of `url` turns to.
pub(super) fn destination(url: &str) -> String {
    let uri = url.parse::<Uri>().ok();
    let address = uri.and_then(|uri| location::address(&uri).ok());
    address.unwrap_or_else(|| url.to_owned())
}

pub(super) async fn run(probe: &HttpProbe, clients: &TlsClients) -> Result<Outcome, ProbeError> {
    let mut step = Step::first(probe)?;
    for _ in 0..=MOST_REDIRECTS {
        let answer = step.send(probe, clients).await?;
        match step.follow(&answer)? {
            Some(next) => step = next,
            None => return Ok(outcome(probe, &answer)),
        }
    }
    Err(ProbeError::Redirects(MOST_REDIRECTS))
}

fn outcome(probe: &HttpProbe, answer: &Answer) -> Outcome {
    let status = match answer.status {
        status if status.is_success() => Status::Passing,
        StatusCode::TOO_MANY_REQUESTS => Status::Warning,
        _ => Status::Critical,
    };
    let method = match probe.method.as_str() {
        "" => "GET",
        method => method,
    };
    let url = location::without_user(&probe.url);
    let body = String::from_utf8_lossy(&answer.body);
    Outcome {
        status,
        output: format!("HTTP {method} {url}: {} Output: {body}", answer.status),
    }
}

impl Step {
    fn first(probe: &HttpProbe) -> Result<Self, ProbeError> {
        let method = match probe.method.as_str() {
            "" => Method::GET,
            method => Method::from_bytes(method.as_bytes()).map_err(http::Error::from)?,
        };
        Ok(Self {
            method,
            uri: location::parse(&probe.url)?,
            body: Bytes::from(probe.body.clone()),
        })
    }

    /// The request that a redirect asks for, by Go's rules; `None` for any other answer.
    fn follow(&self, answer: &Answer) -> Result<Option<Self>, ProbeError> {
        let Some(location) = answer.headers.get(header::LOCATION) else {
            return Ok(None);
        };
        let keeps = match answer.status.as_u16() {
            301..=303 => false,
            307 | 308 => true,
            _ => return Ok(None),
        };
        let uri = location::resolve(&self.uri, &String::from_utf8_lossy(location.as_bytes()))?;
        Ok(Some(match keeps {
            true => Self {
                method: self.method.clone(),
                uri,
                body: self.body.clone(),
            },
            false => Self {
                method: match self.method {
                    Method::HEAD => Method::HEAD,
                    _ => Method::GET,
                },
                uri,
                body: Bytes::new(),
            },
        }))
    }

    /// Sends the request over a connection of its own.
    async fn send(&self, probe: &HttpProbe, clients: &TlsClients) -> Result<Answer, ProbeError> {
        let address = location::address(&self.uri)?;
        let tls = Tls {
            enabled: self.uri.scheme_str() == Some("https"),
            ..probe.tls.clone()
        };
        let stream = connect::open(&address, &tls, clients, Alpn::None).await?;
        let failed = |source| ProbeError::Http {
            address: address.clone(),
            source,
        };
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (mut requests, connection) = handshake.map_err(failed)?;
        // Ends with this run, whichever way that ends.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let response = requests.send_request(self.request(probe)?).await;
        let response = response.map_err(failed)?;
        Answer::read(response).await.map_err(failed)
    }

    fn request(&self, probe: &HttpProbe) -> Result<Request<Full<Bytes>>, ProbeError> {
        let target = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(target)
            .body(Full::new(self.body.clone()))?;
        let headers = request.headers_mut();
        headers.insert(header::HOST, location::host_header(&self.uri)?);
        headers.insert(header::USER_AGENT, AGENT);
        headers.insert(header::ACCEPT, ACCEPT);
        if let Some(credentials) = location::credentials(&self.uri)? {
            headers.insert(header::AUTHORIZATION, credentials);
        }
        let is_home = location::address(&self.uri)? == destination(&probe.url);
        for (name, values) in &probe.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(http::Error::from)?;
            if FOR_HOME.contains(&name) && !is_home {
                continue;
            }
            headers.remove(&name);
            for value in values {
                let value = HeaderValue::from_str(value).map_err(http::Error::from)?;
                headers.append(name.clone(), value);
            }
        }
        headers.insert(header::CONNECTION, CLOSE);
        Ok(request)
    }
}

impl Answer {
    /// Reads no more of the body than is shown.
    async fn read(response: Response<Incoming>) -> Result<Self, hyper::Error> {
        let (parts, mut incoming) = response.into_parts();
        let mut body = Vec::new();
        while body.len() < MOST_OUTPUT
            && let Some(frame) = incoming.frame().await
        {
            if let Ok(data) = frame?.into_data() {
                let room = MOST_OUTPUT - body.len();
                body.extend(data.into_iter().take(room));
            }
        }
        Ok(Self {
            status: parts.status,
            headers: parts.headers,
            body,
        })
    }
}
