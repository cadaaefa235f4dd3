//! Spans become OTLP messages.

use std::sync::Arc;

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value},
    resource::v1::Resource as ProtoResource,
    trace::v1::{ResourceSpans, ScopeSpans, Span as ProtoSpan, Status, span, status},
};

use crate::{
    correlate::{Span, SpanKind},
    identity::{Resource, Value},
};

/// The conventions that attribute names follow.
const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.44.0";

/// W3C flag: the trace is kept.
const SAMPLED: u32 = 0x01;
/// It is known whether the parent is remote.
const HAS_IS_REMOTE: u32 = 0x100;
/// The parent is remote.
const IS_REMOTE: u32 = 0x200;

/// One `ResourceSpans` per process, in the order in which processes first appear.
pub(super) fn request(batch: &[Arc<Span>]) -> ExportTraceServiceRequest {
    let mut groups: Vec<(&Arc<Resource>, Vec<ProtoSpan>)> = Vec::new();
    for span in batch {
        let group = groups.iter_mut().find(|(resource, _)| {
            Arc::ptr_eq(resource, &span.resource) || **resource == span.resource
        });
        match group {
            Some((_, spans)) => spans.push(encode(span)),
            None => groups.push((&span.resource, vec![encode(span)])),
        }
    }
    let resource_spans = groups
        .into_iter()
        .map(|(resource, spans)| resource_spans(resource, spans))
        .collect();
    ExportTraceServiceRequest { resource_spans }
}

fn resource_spans(resource: &Resource, spans: Vec<ProtoSpan>) -> ResourceSpans {
    let attributes = resource
        .attributes()
        .into_iter()
        .map(|(name, value)| attribute(&name, value))
        .collect();
    ResourceSpans {
        resource: Some(ProtoResource {
            attributes,
            ..ProtoResource::default()
        }),
        scope_spans: vec![ScopeSpans {
            scope: Some(InstrumentationScope {
                name: "golens".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                ..InstrumentationScope::default()
            }),
            spans,
            schema_url: SCHEMA_URL.to_owned(),
        }],
        schema_url: SCHEMA_URL.to_owned(),
    }
}

fn encode(span: &Span) -> ProtoSpan {
    let parent = span.parent_span_id.map(|id| id.0.to_vec());
    let remote = if span.parent_is_remote { IS_REMOTE } else { 0 };
    let attributes = span
        .attribute_list()
        .into_iter()
        .map(|(name, value)| attribute(name, value))
        .collect();
    ProtoSpan {
        trace_id: span.trace_id.0.to_vec(),
        span_id: span.span_id.0.to_vec(),
        parent_span_id: parent.unwrap_or_default(),
        flags: SAMPLED | HAS_IS_REMOTE | remote,
        name: span.name(),
        kind: match span.kind {
            SpanKind::Server => span::SpanKind::Server.into(),
        },
        start_time_unix_nano: span.start.0,
        end_time_unix_nano: span.end.0,
        attributes,
        status: span.error_type().map(|_| Status {
            code: status::StatusCode::Error.into(),
            message: String::new(),
        }),
        ..ProtoSpan::default()
    }
}

fn attribute(name: &str, value: Value) -> KeyValue {
    let value = match value {
        Value::Text(text) => any_value::Value::StringValue(text),
        Value::Int(number) => any_value::Value::IntValue(number),
        Value::Double(number) => any_value::Value::DoubleValue(number),
        Value::Bool(flag) => any_value::Value::BoolValue(flag),
    };
    KeyValue {
        key: name.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{correlate::SpanId, telemetry::testing};

    #[test]
    fn processes_are_kept_apart_and_their_spans_together() {
        let batch = ["shop", "cart", "shop"].map(|service| {
            // Each span has a resource of its own allocation: equality decides, not the pointer.
            Arc::new(testing::http_span(service, Some("/"), 200))
        });
        let request = request(&batch);
        let spans: Vec<usize> = request
            .resource_spans
            .iter()
            .map(|group| group.scope_spans[0].spans.len())
            .collect();
        assert_eq!(spans, [2, 1]);
        let attributes = &request.resource_spans[0]
            .resource
            .as_ref()
            .expect("set")
            .attributes;
        let name = attributes
            .iter()
            .find(|pair| pair.key == "service.name")
            .expect("named");
        let text = any_value::Value::StringValue("shop".to_owned());
        assert_eq!(name.value.as_ref().expect("set").value, Some(text));
    }

    #[test]
    fn ids_flags_and_status_follow_the_span() {
        let mut failed = testing::http_span("shop", Some("/items/{id}"), 500);
        failed.parent_span_id = Some(SpanId([9; 8]));
        failed.parent_is_remote = true;
        let proto = encode(&failed);
        assert_eq!(proto.trace_id, [0xab; 16]);
        assert_eq!(proto.parent_span_id, [9; 8]);
        assert_eq!(proto.flags, 0x301);
        assert_eq!(proto.name, "GET /items/{id}");
        assert_eq!(proto.kind, 2);
        assert_eq!(proto.status.expect("set").code, 2);
        assert_eq!(
            proto.end_time_unix_nano - proto.start_time_unix_nano,
            3_000_000
        );

        let fine = encode(&testing::http_span("shop", None, 404));
        assert_eq!(fine.flags, 0x101);
        assert!(fine.parent_span_id.is_empty());
        assert_eq!(
            fine.status, None,
            "a client's mistake is no error of the server"
        );
    }
}
