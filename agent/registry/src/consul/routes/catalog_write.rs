//! `/v1/catalog/register` and `/v1/catalog/deregister`: what registrators and operators write.

use state::tokens::Right;

use super::elsewhere;
use crate::{
    Caller, RegistryError,
    consul::{
        error::ApiError,
        http::{Answer, Call, Head, namespace_or},
        server::Server,
        types::catalog::{CatalogCheck, CatalogDeregistration, CatalogRegistration},
    },
    model::{Addition, CheckKey, InstanceKey, Name, Node},
};

pub(super) async fn write(server: &Server, call: Call, rest: &str) -> Result<Answer, ApiError> {
    match rest {
        "register" => register(server, call).await,
        "deregister" => deregister(server, call).await,
        _ => Ok(elsewhere(&call.head)),
    }
}

async fn register(server: &Server, call: Call) -> Result<Answer, ApiError> {
    let (head, caller, mut body) = call.json::<CatalogRegistration>().await?;
    if body.node.is_empty() {
        return Err(ApiError::bad_request("Must provide node"));
    }
    if body.address.is_empty() && !body.skip_node_update {
        return Err(ApiError::bad_request(
            "Must provide address if SkipNodeUpdate is not set",
        ));
    }
    let node = Name::from(body.node.as_str());
    let checks: Vec<CatalogCheck> = body
        .check
        .take()
        .into_iter()
        .chain(body.checks.drain(..))
        .collect();
    let of_node = checks.iter().filter(|check| check.service_id.is_empty());
    let of_node = of_node
        .map(CatalogCheck::addition)
        .collect::<Result<Vec<_>, _>>()?;
    let service = body.service.take();
    register_node(server, &caller, body, of_node).await?;
    let own_id = service
        .as_ref()
        .map(|service| service.instance_id().to_owned());
    if let Some(service) = service {
        let namespace = namespace_or(&head.options, &service.namespace);
        let mut registration = service.registration(namespace, Name::clone(&node))?;
        registration.checks = checks
            .iter()
            .filter(|check| Some(&check.service_id) == own_id.as_ref())
            .map(CatalogCheck::addition)
            .collect::<Result<_, _>>()?;
        server.registry().register(registration, &caller).await?;
    }
    let of_others = checks
        .iter()
        .filter(|check| !check.service_id.is_empty() && Some(&check.service_id) != own_id.as_ref());
    for check in of_others {
        register_check(server, &head, &caller, &node, check).await?;
    }
    Ok(Answer::json("true"))
}

/// The node with its checks; one that exists stays as it is when the request says so.
async fn register_node(
    server: &Server,
    caller: &Caller,
    body: CatalogRegistration,
    checks: Vec<Addition>,
) -> Result<(), ApiError> {
    let name = Name::from(body.node);
    let known = server.registry().node(&name);
    if let Some(known) = known.filter(|_| body.skip_node_update) {
        let node = known.node.clone();
        if !checks.is_empty() {
            server
                .registry()
                .register_node(node, checks, caller)
                .await?;
        }
        return Ok(());
    }
    let node = Node {
        name,
        id: body.id,
        address: body.address,
        tagged_addresses: body.tagged_addresses,
        meta: body.node_meta,
    };
    server
        .registry()
        .register_node(node, checks, caller)
        .await?;
    Ok(())
}

/// A check of an instance that is registered already.
async fn register_check(
    server: &Server,
    head: &Head,
    caller: &Caller,
    node: &Name,
    check: &CatalogCheck,
) -> Result<(), ApiError> {
    let key = InstanceKey {
        namespace: namespace_or(&head.options, &check.namespace),
        node: Name::clone(node),
        id: check.service_id.as_str().into(),
    };
    let addition = check.addition()?;
    server
        .registry()
        .register_check(node, Some(&key), addition, caller)
        .await?;
    Ok(())
}

/// What is not there is gone already.
async fn deregister(server: &Server, call: Call) -> Result<Answer, ApiError> {
    let (head, caller, body) = call.json::<CatalogDeregistration>().await?;
    if body.node.is_empty() {
        return Err(ApiError::bad_request("Must provide node"));
    }
    let registry = server.registry();
    let namespace = namespace_or(&head.options, &body.namespace);
    caller.require(Right::Write, &namespace)?;
    let node = Name::from(body.node);
    let outcome = if !body.service_id.is_empty() {
        let id = body.service_id.into();
        let key = InstanceKey {
            namespace,
            node,
            id,
        };
        registry.deregister(&key, &caller).await
    } else if !body.check_id.is_empty() {
        let id = body.check_id.into();
        let key = CheckKey {
            namespace,
            node,
            id,
        };
        registry.deregister_check(&key, &caller).await
    } else {
        registry.deregister_node(&node, &caller).await
    };
    match outcome {
        Ok(_)
        | Err(
            RegistryError::UnknownInstance(_)
            | RegistryError::UnknownCheck(_)
            | RegistryError::UnknownNode(_),
        ) => Ok(Answer::json("true")),
        Err(error) => Err(error.into()),
    }
}
