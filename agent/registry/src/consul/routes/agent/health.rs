//! `/v1/agent/health/service`: the health of local instances as a status code, for load balancers.

use http::StatusCode;
use serde::Serialize;

use super::Local;
use crate::{
    consul::{
        error::ApiError,
        http::{Answer, Head},
        server::Server,
        types::{
            check::CheckRow,
            service::{ServiceForm, ServiceRow},
        },
    },
    model::{Health, Instance},
};

/// One instance with its checks and those of the node.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Report<'a> {
    aggregated_status: &'static str,
    service: ServiceRow<'a>,
    checks: Vec<CheckRow<'a>>,
    #[serde(skip)]
    health: Health,
}

impl<'a> Report<'a> {
    fn new(server: &'a Server, local: &'a Local, instance: &'a Instance) -> Self {
        let checks: Vec<CheckRow<'_>> = local
            .node_checks()
            .chain(local.checks_of(instance))
            .collect();
        let health = Health::of(checks.iter().map(|row| row.check));
        Self {
            aggregated_status: health.as_str(),
            service: ServiceRow {
                instance,
                form: ServiceForm::Agent {
                    datacenter: &server.settings().datacenter,
                    hash: None,
                },
            },
            checks,
            health,
        }
    }
}

/// 200 when all is well, 429 when it warns, 503 when it is critical or in maintenance.
fn status_of(health: Health) -> StatusCode {
    match health {
        Health::Passing => StatusCode::OK,
        Health::Warning => StatusCode::TOO_MANY_REQUESTS,
        Health::Critical | Health::Maintenance => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The instance with this id.
pub(super) fn by_id(server: &Server, head: &Head, id: &str) -> Result<Answer, ApiError> {
    let local = Local::new(server, head);
    let Some(instance) = local
        .instances
        .iter()
        .find(|instance| *instance.key.id == *id)
    else {
        return Err(ApiError::not_found(format!("ServiceId {id} not found")));
    };
    let report = Report::new(server, &local, instance);
    answer(head, report.health, &report)
}

/// All instances of the service of this name; the worst of them counts.
pub(super) fn by_name(server: &Server, head: &Head, name: &str) -> Result<Answer, ApiError> {
    let local = Local::new(server, head);
    let reports: Vec<Report<'_>> = local
        .instances
        .iter()
        .filter(|instance| *instance.service == *name)
        .map(|instance| Report::new(server, &local, instance))
        .collect();
    match reports.iter().map(|report| report.health).max() {
        Some(worst) => answer(head, worst, &reports),
        None => Err(ApiError::not_found(format!("ServiceName {name} Not Found"))),
    }
}

fn answer(head: &Head, health: Health, reports: &impl Serialize) -> Result<Answer, ApiError> {
    let status = status_of(health);
    if head.query().get("format") == Some("text") {
        return Ok(Answer::text(status, health.as_str()));
    }
    Ok(Answer::render(reports, &head.options)?.with_status(status))
}
