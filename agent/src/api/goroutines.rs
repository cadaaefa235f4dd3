//! `/api/v1/goroutines`: the last goroutine profile of each target.

use axum::{
    Json,
    extract::{self, Query, rejection::QueryRejection},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

use super::{State, error::Error};
use crate::runtime::GoroutineReport;

/// Groups of one profile when the request does not say how many.
const USUAL: usize = 100;

/// Query parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    pid: Option<u32>,
    service: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn profiles(
    extract::State(state): extract::State<Arc<State>>,
    query: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<Value>, Error> {
    let Query(filter) = query.map_err(|rejection| Error::Query(rejection.body_text()))?;
    let limit = filter.limit.unwrap_or(USUAL);
    let mut truncated = false;
    let reports: Vec<GoroutineReport> = (state.goroutines)()
        .iter()
        .filter(|report| filter.pid.is_none_or(|pid| report.profile.pid == pid))
        .filter(|report| {
            filter
                .service
                .as_ref()
                .is_none_or(|name| report.service == *name)
        })
        .map(|report| {
            let mut report = GoroutineReport::clone(report);
            truncated |= report.profile.groups.len() > limit;
            report.profile.groups.truncate(limit);
            report
        })
        .collect();
    Ok(Json(
        json!({ "goroutines": reports, "truncated": truncated }),
    ))
}
