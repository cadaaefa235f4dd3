//! The one span type of the agent.

use std::{fmt, sync::Arc};

use crate::{
    clock::UnixNanos,
    identity::{Resource, Value},
};

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub [u8; $bytes]);

        impl $name {
            /// Whether every byte is zero, which W3C trace context calls invalid.
            #[must_use]
            pub fn is_zero(self) -> bool {
                self.0 == [0; $bytes]
            }

            /// Parses lower- or upper-case hex of exactly the right length.
            #[must_use]
            pub fn from_hex(text: &str) -> Option<Self> {
                let digits = text.as_bytes();
                if digits.len() != 2 * $bytes {
                    return None;
                }
                let mut id = [0; $bytes];
                for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
                    let pair = std::str::from_utf8(pair).ok()?;
                    *byte = u8::from_str_radix(pair, 16).ok()?;
                }
                Some(Self(id))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

hex_id!(
    /// W3C trace id.
    TraceId,
    16
);
hex_id!(
    /// W3C parent id, the id of a span.
    SpanId,
    8
);

/// Role of a span in its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SpanKind {
    /// The process answers a request.
    Server,
}

/// A finished operation of one target.
#[derive(Clone, Debug)]
pub struct Span {
    /// Who did it.
    pub resource: Arc<Resource>,
    /// The trace.
    pub trace_id: TraceId,
    /// This span.
    pub span_id: SpanId,
    /// The caller's span, absent for a root.
    pub parent_span_id: Option<SpanId>,
    /// Whether the parent lives in another process and was read from the request.
    pub parent_is_remote: bool,
    /// Role.
    pub kind: SpanKind,
    /// Start, wall clock.
    pub start: UnixNanos,
    /// End, wall clock; never before `start`.
    pub end: UnixNanos,
    /// Goroutine that served it.
    pub goid: u64,
    /// How garbage collection held it up.
    pub gc: GcOverlap,
    /// What it was.
    pub attributes: Attributes,
}

/// What a span had to do with garbage collection of its process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GcOverlap {
    /// Not known: it began before golens watched, or the binary does not tell.
    #[default]
    Unknown,
    /// Time of the span in which the world was stopped for garbage collection, or being stopped.
    ///
    /// `golens.gc.pause_overlap`, in seconds like all durations of the conventions.
    Pause {
        /// To the nanosecond, from the runtime's own bounds.
        nanoseconds: u64,
    },
    /// Bounds of the stops are not known, only how many cycles ended meanwhile:
    /// `golens.gc.cycles_overlapped`.
    Cycles(u32),
}

/// What a span was about, by protocol.
#[derive(Clone, Debug)]
pub enum Attributes {
    /// An HTTP request served.
    HttpServer(HttpServer),
    /// A gRPC call served.
    GrpcServer(GrpcServer),
}

/// An HTTP request as its server saw it.
#[derive(Clone, Debug)]
pub struct HttpServer {
    /// `http.request.method`; `_OTHER` for a method outside RFC 9110 and RFC 5789.
    pub method: String,
    /// `http.request.method_original`, when `method` is `_OTHER`.
    pub method_original: Option<String>,
    /// `http.route`, without method and host.
    pub route: Option<String>,
    /// `url.scheme`: `http` or `https`.
    pub scheme: &'static str,
    /// `url.path`.
    pub path: String,
    /// `url.query`, without the question mark.
    pub query: Option<String>,
    /// `http.response.status_code`.
    pub status_code: u16,
    /// `http.response.body.size` in bytes.
    pub response_body_bytes: Option<u64>,
    /// `server.address`, from the `Host` header.
    pub server_address: Option<String>,
    /// `server.port`, from the `Host` header.
    pub server_port: Option<u16>,
    /// `client.address`.
    pub client_address: Option<String>,
    /// `client.port`.
    pub client_port: Option<u16>,
}

/// A gRPC call as its server saw it.
#[derive(Clone, Debug)]
pub struct GrpcServer {
    /// `rpc.method`, the full method without the leading slash: `package.Service/Method`.
    pub method: String,
    /// gRPC status code, 0 to 16.
    pub status_code: u32,
}

impl Span {
    /// The low-cardinality name that semantic conventions prescribe.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.attributes {
            Attributes::HttpServer(http) => {
                let method = if http.method == "_OTHER" {
                    "HTTP"
                } else {
                    &http.method
                };
                match &http.route {
                    Some(route) => format!("{method} {route}"),
                    None => method.to_owned(),
                }
            }
            Attributes::GrpcServer(grpc) => grpc.method.clone(),
        }
    }

    /// Length in nanoseconds.
    #[must_use]
    pub fn duration_ns(&self) -> u64 {
        self.end.0.saturating_sub(self.start.0)
    }

    /// `error.type` when the operation failed on the server's side, else `None`.
    ///
    /// HTTP: 5xx. gRPC: the codes that the conventions count as server errors.
    #[must_use]
    pub fn error_type(&self) -> Option<String> {
        match &self.attributes {
            Attributes::HttpServer(http) => {
                (http.status_code >= 500).then(|| http.status_code.to_string())
            }
            Attributes::GrpcServer(grpc) => grpc
                .is_server_error()
                .then(|| grpc.status_name().to_owned()),
        }
    }

    /// Span attributes by their semantic-convention names.
    #[must_use]
    pub fn attribute_list(&self) -> Vec<(&'static str, Value)> {
        let mut list = match &self.attributes {
            Attributes::HttpServer(http) => http.attribute_list(),
            Attributes::GrpcServer(grpc) => grpc.attribute_list(),
        };
        if let Some(error) = self.error_type() {
            list.push(("error.type", error.into()));
        }
        list.push((
            "go.goroutine.id",
            Value::Int(i64::try_from(self.goid).unwrap_or(i64::MAX)),
        ));
        list.extend(match self.gc {
            GcOverlap::Unknown => None,
            GcOverlap::Pause { nanoseconds } => Some((
                "golens.gc.pause_overlap",
                Value::Double(nanoseconds as f64 / 1e9),
            )),
            GcOverlap::Cycles(cycles) => Some(("golens.gc.cycles_overlapped", cycles.into())),
        });
        list
    }
}

impl HttpServer {
    fn attribute_list(&self) -> Vec<(&'static str, Value)> {
        let mut list: Vec<(&'static str, Value)> = vec![
            ("http.request.method", self.method.as_str().into()),
            ("url.path", self.path.as_str().into()),
            ("url.scheme", self.scheme.into()),
            (
                "http.response.status_code",
                i64::from(self.status_code).into(),
            ),
            ("network.protocol.name", "http".into()),
        ];
        let text = [
            ("http.request.method_original", &self.method_original),
            ("http.route", &self.route),
            ("url.query", &self.query),
            ("server.address", &self.server_address),
            ("client.address", &self.client_address),
        ];
        for (name, value) in text {
            if let Some(value) = value {
                list.push((name, value.as_str().into()));
            }
        }
        let numbers = [
            ("server.port", self.server_port.map(i64::from)),
            ("client.port", self.client_port.map(i64::from)),
            (
                "http.response.body.size",
                self.response_body_bytes
                    .and_then(|bytes| i64::try_from(bytes).ok()),
            ),
        ];
        for (name, value) in numbers {
            if let Some(value) = value {
                list.push((name, value.into()));
            }
        }
        list
    }
}

impl GrpcServer {
    fn attribute_list(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("rpc.system.name", "grpc".into()),
            ("rpc.method", self.method.as_str().into()),
            ("rpc.response.status_code", self.status_name().into()),
        ]
    }

    /// The status as gRPC spells it, such as `NOT_FOUND`.
    #[must_use]
    pub fn status_name(&self) -> &'static str {
        const NAMES: [&str; 17] = [
            "OK",
            "CANCELLED",
            "UNKNOWN",
            "INVALID_ARGUMENT",
            "DEADLINE_EXCEEDED",
            "NOT_FOUND",
            "ALREADY_EXISTS",
            "PERMISSION_DENIED",
            "RESOURCE_EXHAUSTED",
            "FAILED_PRECONDITION",
            "ABORTED",
            "OUT_OF_RANGE",
            "UNIMPLEMENTED",
            "INTERNAL",
            "UNAVAILABLE",
            "DATA_LOSS",
            "UNAUTHENTICATED",
        ];
        NAMES
            .get(self.status_code as usize)
            .copied()
            .unwrap_or("_OTHER")
    }

    /// The codes that are errors of the server (semantic conventions for gRPC, server spans).
    fn is_server_error(&self) -> bool {
        matches!(self.status_code, 2 | 4 | 12 | 13 | 14 | 15) || self.status_code > 16
    }
}
