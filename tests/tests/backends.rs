//! The whole way, once: three services, load, golens, and real Prometheus, Loki and Tempo.

use std::time::Duration;

use tests::{
    backends::{
        Loki, Prometheus, Tempo,
        dashboard::{self, Language, Query},
        pivot, wait_for,
    },
    demo::{Agent, Destinations, Group, Programs, Services, WorkDir},
};

/// Metrics, log lines and spans of one request carry the same trace id in three stores, and every
/// query of the dashboard finds something.
#[test]
fn one_trace_id_is_found_in_all_back_ends_and_every_dashboard_query_has_data() {
    let directory = WorkDir::new("golens-backends").unwrap();
    let group = Group::new("golens-backends").unwrap();
    let programs = Programs::build();
    let services = Services::start(&programs, &group, directory.path()).unwrap();
    let loki = Loki::start(&directory.path().join("loki")).unwrap();
    let tempo = Tempo::start(&directory.path().join("tempo")).unwrap();
    let destinations = Destinations::new(Some((&loki, &tempo)));
    let mut agent = Agent::start(directory.path(), &group, &destinations).unwrap();
    agent
        .wait_attached(&services.pids(), Duration::from_secs(30))
        .unwrap();
    let prometheus =
        Prometheus::start(&directory.path().join("prometheus"), agent.address).unwrap();

    let load = services.load(&programs, Duration::from_secs(10)).unwrap();
    assert!(load.requests > 500, "{load:?}");

    let within = Duration::from_secs(60);
    let found = pivot::find("gateway", &prometheus, &loki, &tempo, within).unwrap();
    // The load client began the trace, so the id is one that golens took over and did not make up.
    assert!(!load.trace_ids.is_empty());
    assert_one_trace(&found, &tempo, &loki);

    for query in dashboard::queries().unwrap() {
        assert_has_data(&query, &prometheus, &loki);
    }
    agent.stop().unwrap();
}

/// gateway and orders are one trace in Tempo, and Loki has lines of both with ids that Tempo knows.
fn assert_one_trace(found: &pivot::Pivot, tempo: &Tempo, loki: &Loki) {
    let spans = wait_for(
        "gateway and orders in one trace",
        Duration::from_secs(20),
        || {
            let spans = tempo.trace(&found.trace_id)?;
            let has = |service: &str| spans.iter().any(|span| span.service == service);
            Ok((has("gateway") && has("orders")).then_some(spans))
        },
    )
    .expect("one trace of two services");
    for span in &spans {
        assert_eq!(span.trace_id, found.trace_id);
    }
    let lines = loki
        .lines(&pivot::log_query(&found.trace_id))
        .expect("log lines");
    for service in ["gateway", "orders"] {
        let of_service: Vec<_> = lines
            .iter()
            .filter(|line| line.labels["service_name"] == service)
            .collect();
        assert!(!of_service.is_empty(), "no line of {service} in {lines:?}");
        for line in of_service {
            let known = spans
                .iter()
                .any(|span| span.span_id == line.labels["span_id"] && span.service == service);
            assert!(known, "{line:?} names a span that is not in {spans:?}");
        }
    }
}

/// The first answers come after two scrapes, so a query may need a moment.
fn assert_has_data(query: &Query, prometheus: &Prometheus, loki: &Loki) {
    wait_for(
        &format!("data for {query:?}"),
        Duration::from_secs(20),
        || {
            let found = match query.language {
                Language::PromQl => prometheus
                    .query(&query.expression)?
                    .iter()
                    .any(|series| series.latest().is_some_and(f64::is_finite)),
                Language::LogQl if query.is_metric() => loki
                    .series(&query.expression)?
                    .iter()
                    .any(|series| series.latest().is_some_and(|value| value > 0.0)),
                Language::LogQl => !loki.lines(&query.expression)?.is_empty(),
            };
            Ok(found.then_some(()))
        },
    )
    .expect("data");
    if query.exemplars {
        let exemplars = prometheus.exemplars(&query.expression).expect("exemplars");
        assert!(!exemplars.is_empty(), "{query:?}");
    }
}
