//! HTTP: /metrics, /healthz, /readyz, /api/v1/* and the status page.

mod state;

pub use state::State;

/// Serves until `shutdown` resolves, then finishes the requests that are under way.
///
/// # Errors
/// The listener failed.
pub async fn serve(
    listener: tokio::net::TcpListener,
    _state: State,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, axum::Router::new())
        .with_graceful_shutdown(shutdown)
        .await
}
