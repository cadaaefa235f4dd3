//! Events become spans and log records here, joined by trace id.

mod correlator;
mod http;
mod pauses;
mod span;

pub use correlator::{Correlator, CorrelatorCounts, Identity, Sink};
pub use span::{Attributes, GcOverlap, GrpcServer, HttpServer, Span, SpanId, SpanKind, TraceId};
