//! Checks of this node: list, register, report.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Local;
use crate::consul::{
    error::ApiError,
    filter::Filter,
    http::{Answer, Call, Head, namespace_or},
    server::Server,
    types::{CheckDefinition, blank, check::CheckRow},
};
use crate::model::{CheckKey, InstanceKey, Name, Status};

/// Bytes of an output that are kept; more is for logs.
const MOST_OUTPUT: usize = 4 * 1024;

/// All checks by id.
pub(super) fn list(server: &Server, head: &Head) -> Result<Answer, ApiError> {
    let filter = Filter::given(head.options.filter.as_deref(), &blank::check())?;
    let local = Local::new(server, head);
    let rows: BTreeMap<&str, CheckRow<'_>> = local
        .node_checks()
        .chain(
            local
                .instances
                .iter()
                .flat_map(|instance| local.checks_of(instance)),
        )
        .filter(|row| filter.accepts(row))
        .map(|row| (&*row.check.spec.id, row))
        .collect();
    Answer::render(&rows, &head.options)
}

pub(super) async fn register(server: &Server, call: Call) -> Result<Answer, ApiError> {
    let (head, caller, definition) = call.json::<CheckDefinition>().await?;
    let names = [&definition.id, &definition.check_id, &definition.name];
    let Some(id) = names.into_iter().find(|name| !name.is_empty()) else {
        return Err(ApiError::bad_request("Missing check name"));
    };
    let name = if definition.name.is_empty() {
        id
    } else {
        &definition.name
    };
    let addition = definition.addition(id.as_str(), name.clone())?;
    let instance = (!definition.service_id.is_empty()).then(|| InstanceKey {
        namespace: namespace_or(&head.options, &definition.namespace),
        node: Name::clone(server.node()),
        id: definition.service_id.as_str().into(),
    });
    if let Some(key) = &instance
        && server.registry().instance(key).is_none()
    {
        return Err(ApiError::bad_request(format!(
            "ServiceID {:?} does not exist",
            definition.service_id
        )));
    }
    server
        .registry()
        .register_check(server.node(), instance.as_ref(), addition, &caller)
        .await?;
    Ok(Answer::done())
}

pub(super) async fn deregister(server: &Server, call: Call, id: &str) -> Result<Answer, ApiError> {
    let key = local_key(server, &call.head, id);
    server
        .registry()
        .deregister_check(&key, &call.caller)
        .await?;
    Ok(Answer::done())
}

fn local_key(server: &Server, head: &Head, id: &str) -> CheckKey {
    CheckKey {
        namespace: head.namespace(),
        node: Name::clone(server.node()),
        id: id.into(),
    }
}

/// `pass`, `warn` or `fail` with a note.
pub(super) async fn report(
    server: &Server,
    call: Call,
    verb: &str,
    id: &str,
) -> Result<Answer, ApiError> {
    let status = match verb {
        "pass" => Status::Passing,
        "warn" => Status::Warning,
        _ => Status::Critical,
    };
    let note = call.head.query().get("note").unwrap_or_default().to_owned();
    heartbeat(server, &call.head, &call.caller, id, status, &note).await
}

/// Body of an update.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Update {
    status: String,
    output: String,
}

pub(super) async fn update(server: &Server, call: Call, id: &str) -> Result<Answer, ApiError> {
    let (head, caller, update) = call.json::<Update>().await?;
    let status = Status::parse(&update.status).ok_or_else(|| {
        ApiError::bad_request(format!("Invalid check status: '{}'", update.status))
    })?;
    heartbeat(server, &head, &caller, id, status, &update.output).await
}

async fn heartbeat(
    server: &Server,
    head: &Head,
    caller: &crate::Caller,
    id: &str,
    status: Status,
    output: &str,
) -> Result<Answer, ApiError> {
    let key = local_key(server, head, id);
    let output = shortened(output);
    server
        .registry()
        .heartbeat(&key, status, &output, caller)
        .await?;
    Ok(Answer::done())
}

/// The output, cut where it is too long.
fn shortened(output: &str) -> std::borrow::Cow<'_, str> {
    let kept = output
        .get(..output.floor_char_boundary(MOST_OUTPUT))
        .unwrap_or(output);
    if kept.len() == output.len() {
        return output.into();
    }
    format!(
        "{kept} ... (captured {} of {} bytes)",
        kept.len(),
        output.len()
    )
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_output_is_cut_between_characters() {
        assert_eq!(shortened("fine"), "fine");
        let long = format!("{}\u{e9}x", "a".repeat(MOST_OUTPUT - 1));
        let cut = shortened(&long);
        assert!(
            cut.ends_with("a ... (captured 4095 of 4098 bytes)"),
            "{cut}"
        );
    }
}
