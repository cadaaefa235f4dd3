//! Rate, errors and duration of every request, sampled or not.

use super::{
    catalog::{self, Metric},
    histogram::{Exemplar, Histogram},
    store::{Sample, Store},
};
use crate::correlate::{Attributes, GrpcServer, HttpServer, Span};

/// What became of one span.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recorded {
    /// The metric it counts for.
    pub metric: &'static Metric,
    /// Whether it found a series of its own.
    pub own_series: bool,
}

/// Counts a finished span with an exemplar that leads to its trace.
///
/// A known series costs no allocation; an error costs one for its `error.type`.
pub(super) fn record(store: &Store, span: &Span) -> Recorded {
    let error = span.error_type();
    let error = error.as_deref().unwrap_or("");
    match &span.attributes {
        Attributes::HttpServer(http) => record_http(store, span, http, error),
        Attributes::GrpcServer(grpc) => record_grpc(store, span, grpc, error),
    }
}

fn record_http(store: &Store, span: &Span, http: &HttpServer, error: &str) -> Recorded {
    let mut digits = [0; 5];
    let status = decimal(http.status_code, &mut digits);
    let route = http.route.as_deref().unwrap_or("");
    if http.route.is_none() {
        store.with_sample(
            &span.resource,
            &catalog::HTTP_SERVER_ROUTE_UNKNOWN,
            &[],
            |sample| {
                if let Sample::Number(count) = sample {
                    *count += 1.0;
                }
            },
        );
    }
    let values = [&http.method, route, status, http.scheme, error];
    observe(store, span, &catalog::HTTP_SERVER_REQUEST_DURATION, &values)
}

fn record_grpc(store: &Store, span: &Span, grpc: &GrpcServer, error: &str) -> Recorded {
    let values = ["grpc", &grpc.method, grpc.status_name(), error];
    observe(store, span, &catalog::RPC_SERVER_CALL_DURATION, &values)
}

fn observe(store: &Store, span: &Span, metric: &'static Metric, values: &[&str]) -> Recorded {
    let seconds = span.duration_ns() as f64 / 1e9;
    let exemplar = Exemplar {
        trace_id: span.trace_id,
        span_id: span.span_id,
        value: seconds,
        time: span.end,
    };
    let own_series = store.with_sample(&span.resource, metric, values, |sample| {
        if let Sample::Histogram(histogram) = sample {
            Histogram::observe(histogram, seconds, span.end, Some(exemplar));
        }
    });
    Recorded { metric, own_series }
}

/// Writes a number into `digits` without allocating.
fn decimal(mut number: u16, digits: &mut [u8; 5]) -> &str {
    let mut start = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        start -= 1;
        if number == 0 {
            break;
        }
    }
    digits
        .get(start..)
        .and_then(|written| std::str::from_utf8(written).ok())
        .unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::testing;

    #[test]
    fn numbers_are_written_without_padding() {
        for number in [0, 7, 99, 200, 503, 65_535] {
            assert_eq!(decimal(number, &mut [0; 5]), number.to_string());
        }
    }

    #[test]
    fn an_http_span_counts_by_route_and_never_by_path() {
        let store = Store::new(100);
        let mut span = testing::http_span("shop", Some("/items/{id}"), 200);
        assert!(record(&store, &span).own_series);
        if let Attributes::HttpServer(http) = &mut span.attributes {
            http.path = "/items/2".to_owned();
        }
        record(&store, &span);
        record(&store, &testing::http_span("shop", None, 404));

        let series = store.target(&span.resource).snapshot();
        let labels: Vec<&str> = series.iter().map(|series| &*series.labels).collect();
        assert_eq!(series.len(), 3, "{labels:?}");
        assert!(labels.iter().all(|labels| !labels.contains("/items/1")));
        let unknown = series
            .iter()
            .find(|series| *series.metric == catalog::HTTP_SERVER_ROUTE_UNKNOWN)
            .expect("the request without a route is counted");
        assert!(matches!(unknown.sample, Sample::Number(1.0)));
    }

    #[test]
    fn errors_of_the_server_carry_their_type() {
        let store = Store::new(100);
        let failed = testing::http_span("shop", Some("/"), 503);
        record(&store, &failed);
        record(&store, &testing::grpc_span("shop", 13));
        record(&store, &testing::grpc_span("shop", 5));
        let series = store.target(&failed.resource).snapshot();
        let mut errors: Vec<_> = series
            .iter()
            .map(|series| series.attribute("error.type"))
            .collect();
        errors.sort_unstable();
        assert_eq!(errors, ["", "503", "INTERNAL"]);
    }

    /// The budget is 1 us in a release build; the limit here leaves room for debug builds and
    /// busy machines, and still fails when something becomes slower by an order of magnitude.
    #[test]
    fn recording_a_known_series_is_cheap() {
        let store = Store::new(100);
        let span = testing::http_span("shop", Some("/items/{id}"), 200);
        record(&store, &span);
        let rounds = 20_000;
        let start = std::time::Instant::now();
        for _ in 0..rounds {
            record(&store, &span);
        }
        let each = start.elapsed() / rounds;
        println!("{each:?} per span");
        assert!(each < std::time::Duration::from_micros(20), "{each:?}");
    }
}
