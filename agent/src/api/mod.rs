//! HTTP: /metrics, /healthz, /readyz, /api/v1/* and the status page.

mod config;
mod error;
mod gc;
mod goroutines;
mod guard;
mod health;
mod json;
mod page;
mod registry;
mod state;
#[cfg(test)]
mod tests;

use std::{net::SocketAddr, sync::Arc};

use axum::{Router, middleware, routing::get};

pub(crate) use gc::CycleBody;
pub use state::State;

/// Serves until `shutdown` resolves, then finishes the requests that are under way.
///
/// # Errors
/// The listener failed.
pub async fn serve(
    listener: tokio::net::TcpListener,
    state: State,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let service = router(state).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service)
        .with_graceful_shutdown(shutdown)
        .await
}

/// Every route. Only GET (and with it HEAD) is answered: nothing here changes anything.
fn router(state: State) -> Router {
    let guarded = Router::new()
        .route("/", get(page::status))
        .route("/traces/{trace_id}", get(page::trace))
        .route("/api/v1/targets", get(json::targets))
        .route("/api/v1/services", get(json::services))
        .route("/api/v1/runtime", get(json::runtime))
        .route("/api/v1/gc", get(gc::cycles))
        .route("/api/v1/goroutines", get(goroutines::profiles))
        .route("/api/v1/traces", get(json::traces))
        .route("/api/v1/traces/{trace_id}", get(json::trace))
        .route("/api/v1/logs", get(json::logs))
        .route("/api/v1/spans", get(json::spans))
        .route("/api/v1/counters", get(json::counters))
        .route("/api/v1/config", get(config::report))
        .route("/api/v1/registry", get(registry::report))
        .route("/api/v1/instances", get(registry::instances))
        .layer(middleware::from_fn(guard::host))
        .layer(middleware::from_fn(guard::peer));
    Router::new()
        .merge(guarded)
        .route("/metrics", get(health::metrics))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .fallback(error::no_such_route)
        .method_not_allowed_fallback(error::only_get)
        .layer(middleware::from_fn(guard::headers))
        .with_state(Arc::new(state))
}
