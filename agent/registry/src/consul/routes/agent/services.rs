//! Services of this node: list, register, deregister, maintenance.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use super::{Local, maintenance};
use crate::{
    consul::{
        error::ApiError,
        filter::Filter,
        http::{Answer, Call, Head, namespace_or},
        server::{Server, random},
        types::{
            ServiceDefinition, blank,
            service::{ServiceForm, ServiceRow},
        },
    },
    model::{Instance, InstanceKey, Name},
};

/// All instances by id.
pub(super) fn list(server: &Server, head: &Head) -> Result<Answer, ApiError> {
    let filter = Filter::given(head.options.filter.as_deref(), &blank::service())?;
    let local = Local::new(server, head);
    let rows: BTreeMap<&str, ServiceRow<'_>> = local
        .instances
        .iter()
        .map(|instance| (&*instance.key.id, row(server, instance, None)))
        .filter(|(_, row)| filter.accepts(row))
        .collect();
    Answer::render(&rows, &head.options)
}

fn row<'a>(server: &'a Server, instance: &'a Instance, hash: Option<&'a str>) -> ServiceRow<'a> {
    ServiceRow {
        instance,
        form: ServiceForm::Agent {
            datacenter: &server.settings().datacenter,
            hash,
        },
    }
}

/// One instance with the hash of its content; waits until the hash differs from the request's.
pub(super) async fn one(server: &Server, head: &Head, id: &str) -> Result<Answer, ApiError> {
    let options = &head.options;
    let key = local_key(server, head.namespace(), id);
    let deadline = Instant::now() + options.wait_with_jitter(random());
    loop {
        // Asked for before the content, so that no change between the two is slept through.
        let changes = server.registry().watch_key_of(&key);
        let seen = changes
            .as_ref()
            .map(|changes| server.registry().index(changes))
            .transpose()?;
        let Some(instance) = server.registry().instance(&key) else {
            return Err(ApiError::not_found(format!("unknown service ID: {id}")));
        };
        let hash = content_hash(server, &instance)?;
        let is_news = options.hash.as_ref().is_none_or(|old| *old != hash);
        if is_news || Instant::now() >= deadline || server.is_ending() {
            let answer = Answer::render(&row(server, &instance, Some(&hash)), options)?;
            return Ok(answer.hashed(&hash, options));
        }
        if let (Some(changes), Some(seen)) = (changes, seen) {
            server.wait_until(&changes, seen, deadline).await?;
        }
    }
}

/// 16 hexadecimal digits of a hash over the JSON.
fn content_hash(server: &Server, instance: &Arc<Instance>) -> Result<String, ApiError> {
    let json = serde_json::to_vec(&row(server, instance, None))
        .map_err(|error| ApiError::internal(format!("cannot render the answer: {error}")))?;
    let mut hash = state::sha256_hex(&json);
    hash.truncate(16);
    Ok(hash)
}

fn local_key(server: &Server, namespace: Name, id: &str) -> InstanceKey {
    InstanceKey {
        namespace,
        node: Name::clone(server.node()),
        id: id.into(),
    }
}

pub(super) async fn register(server: &Server, call: Call) -> Result<Answer, ApiError> {
    let (head, caller, definition) = call.json::<ServiceDefinition>().await?;
    let namespace = namespace_or(&head.options, &definition.namespace);
    let node = Name::clone(server.node());
    let replace = head.query().has("replace-existing-checks");
    let registration = definition.registration(namespace, node, replace)?;
    server.registry().register(registration, &caller).await?;
    Ok(Answer::done())
}

pub(super) async fn deregister(server: &Server, call: Call, id: &str) -> Result<Answer, ApiError> {
    let key = local_key(server, call.head.namespace(), id);
    server.registry().deregister(&key, &call.caller).await?;
    Ok(Answer::done())
}

pub(super) async fn maintain(server: &Server, call: Call, id: &str) -> Result<Answer, ApiError> {
    let reason = maintenance(&call.head.query())?;
    let key = local_key(server, call.head.namespace(), id);
    server
        .registry()
        .set_maintenance(&key, reason, &call.caller)
        .await?;
    Ok(Answer::done())
}

pub(super) async fn maintain_node(server: &Server, call: Call) -> Result<Answer, ApiError> {
    let reason = maintenance(&call.head.query())?;
    server
        .registry()
        .set_node_maintenance(server.node(), reason, &call.caller)
        .await?;
    Ok(Answer::done())
}
