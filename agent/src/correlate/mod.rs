//! Events become spans and log records here, joined by trace id.

mod span;

pub use span::{Attributes, GrpcServer, HttpServer, Span, SpanId, SpanKind, TraceId};
