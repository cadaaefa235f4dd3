//! A back end for spans that knows what it was sent.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

/// A collector that takes OTLP over HTTP and keeps the id of every span, as often as it comes.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    ids: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Collector {
    /// Starts one on a free port; it ends with the process.
    ///
    /// # Panics
    /// When no port can be had.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let ids = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let kept = Arc::clone(&ids);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                thread::spawn(move || serve(stream, &kept));
            }
        });
        Self { address, ids }
    }

    /// Its base address, for `otlp.endpoint`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The id of every span that came, in their order.
    #[must_use]
    pub fn ids(&self) -> Vec<Vec<u8>> {
        let ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        ids.clone()
    }
}

/// Answers requests until the other side closes the connection.
fn serve(stream: TcpStream, kept: &Mutex<Vec<Vec<u8>>>) {
    let mut answers = stream.try_clone().expect("duplicate a socket");
    let mut requests = BufReader::new(stream);
    while let Some(body) = body(&mut requests) {
        let request = ExportTraceServiceRequest::decode(&*body).expect("OTLP");
        let scopes = request.resource_spans.into_iter();
        let spans = scopes
            .flat_map(|resource| resource.scope_spans)
            .flat_map(|scope| scope.spans);
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(spans.map(|span| span.span_id));
        drop(kept);
        let head =
            "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        if answers.write_all(head.as_bytes()).is_err() {
            return;
        }
    }
}

/// The body of the next request; none when there is none.
fn body(requests: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if requests.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().expect("a length");
        }
    }
    let mut body = vec![0; length];
    requests.read_exact(&mut body).ok()?;
    Some(body)
}
