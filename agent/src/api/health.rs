//! Metrics, liveness and readiness.

use std::sync::{Arc, atomic::Ordering};

use axum::{
    extract,
    http::{
        HeaderMap, StatusCode,
        header::{ACCEPT, CONTENT_TYPE, VARY},
    },
    response::IntoResponse,
};

use super::State;
use crate::telemetry::expose;

/// Everything as one page, in the format that the scraper likes best.
pub(super) async fn metrics(
    extract::State(state): extract::State<Arc<State>>,
    headers: HeaderMap,
) -> impl IntoResponse {
    // A header may come several times, which means the same as one list.
    let accept: Vec<&str> = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    let format = expose::negotiate(Some(&accept.join(",")));
    let page = state.telemetry.render(format);
    (
        [(CONTENT_TYPE, format.content_type()), (VARY, "accept")],
        page,
    )
}

/// The process answers.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// The first scan of the node is done.
pub(super) async fn ready(
    extract::State(state): extract::State<Arc<State>>,
) -> (StatusCode, &'static str) {
    if state.ready.load(Ordering::Acquire) {
        (StatusCode::OK, "ok\n")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "the first scan is not done\n",
        )
    }
}
