//! `/api/v1/config`: which settings and documents are in force, and what happened to them.

use std::sync::Arc;

use axum::{Json, extract};
use serde_json::{Value, json};

use super::State;

pub(super) async fn report(extract::State(state): extract::State<Arc<State>>) -> Json<Value> {
    Json(json!({ "config": (state.config)() }))
}
