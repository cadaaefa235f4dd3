//! HTTP: /metrics, /healthz, /readyz, /api/v1/* and the status page.
