//! Requests by service and route, as the API and the page show them.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    catalog::{self, Metric},
    histogram::Histogram,
    store::{Sample, Series, Target},
};
use crate::clock::UnixNanos;

/// Requests of one route or method of one service.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct ServiceSummary {
    /// `service.name`.
    pub service: String,
    /// Process id.
    pub pid: u32,
    /// `http` or `grpc`.
    pub protocol: &'static str,
    /// HTTP method, or full gRPC method.
    pub method: String,
    /// Route pattern; empty when the program does not tell, and for gRPC.
    pub route: String,
    /// Requests since the target was found.
    pub requests: u64,
    /// Those with an `error.type`.
    pub errors: u64,
    /// Over the last minute, or since the first request when that is shorter.
    pub requests_per_second: f64,
    /// Median duration.
    pub p50_seconds: f64,
    /// 99th percentile of the duration.
    pub p99_seconds: f64,
}

#[derive(Debug)]
struct Total {
    histogram: Histogram,
    errors: u64,
}

/// Sums the series of each target over status codes.
pub(super) fn summaries(targets: &[Arc<Target>], now: UnixNanos) -> Vec<ServiceSummary> {
    targets
        .iter()
        .flat_map(|target| of_target(target, now))
        .collect()
}

fn of_target(target: &Target, now: UnixNanos) -> Vec<ServiceSummary> {
    let mut totals: BTreeMap<(&'static str, String, String), Total> = BTreeMap::new();
    for series in target.snapshot() {
        let (Some(key), Sample::Histogram(histogram)) = (key(&series), &series.sample) else {
            continue;
        };
        let failed = !series.attribute("error.type").is_empty();
        let errors = if failed { histogram.count() } else { 0 };
        match totals.get_mut(&key) {
            Some(total) => {
                total.histogram.merge(histogram);
                total.errors += errors;
            }
            None => {
                let histogram = Histogram::clone(histogram);
                totals.insert(key, Total { histogram, errors });
            }
        }
    }
    totals
        .into_iter()
        .map(|((protocol, method, route), total)| ServiceSummary {
            service: target.resource.service_name.clone(),
            pid: target.resource.pid,
            protocol,
            method,
            route,
            requests: total.histogram.count(),
            errors: total.errors,
            requests_per_second: total.histogram.rate.per_second(now),
            p50_seconds: total.histogram.quantile(0.5),
            p99_seconds: total.histogram.quantile(0.99),
        })
        .collect()
}

fn key(series: &Series) -> Option<(&'static str, String, String)> {
    let is = |metric: &Metric| std::ptr::eq(series.metric, metric);
    if is(&catalog::HTTP_SERVER_REQUEST_DURATION) {
        let method = series.attribute("http.request.method").to_owned();
        let route = series.attribute("http.route").to_owned();
        Some(("http", method, route))
    } else if is(&catalog::RPC_SERVER_CALL_DURATION) {
        let method = series.attribute("rpc.method").to_owned();
        Some(("grpc", method, String::new()))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{red, store::Store, testing};

    #[test]
    fn status_codes_of_a_route_are_summed() {
        let store = Store::new(100);
        for (route, status) in [("/a", 200), ("/a", 200), ("/a", 500), ("/b", 404)] {
            red::record(&store, &testing::http_span("shop", Some(route), status));
        }
        red::record(&store, &testing::grpc_span("shop", 0));
        let now = UnixNanos(testing::NOON + 4_000_000_000);
        let all = summaries(&store.targets(), now);
        let shown: Vec<_> = all
            .iter()
            .map(|one| {
                (
                    one.protocol,
                    &*one.method,
                    &*one.route,
                    one.requests,
                    one.errors,
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("grpc", "shop.v1.Items/Get", "", 1, 0),
                ("http", "GET", "/a", 3, 1),
                ("http", "GET", "/b", 1, 0),
            ]
        );
        let a = &all[1];
        assert!((a.requests_per_second - 0.75).abs() < 0.01, "{a:?}");
        assert!(a.p50_seconds > 0.0025 && a.p99_seconds <= 0.005, "{a:?}");
    }
}
