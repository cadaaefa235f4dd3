//! `/v1/golens/tokens`: golens' own tokens. Consul's policies and roles are not spoken.

use std::{collections::BTreeMap, time::Duration};

use http::Method;
use serde::{Deserialize, Serialize};
use state::tokens::{NewToken, Right, Rights, Token};

use crate::{
    Caller,
    consul::{
        error::ApiError,
        http::{Answer, Call, Head},
        server::Server,
    },
};

/// What a token is to be.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wish {
    description: String,
    rights: BTreeMap<String, Right>,
    lifetime_s: Option<u64>,
}

/// A token with its secret, which is told this once.
#[derive(Serialize)]
struct Made {
    secret: String,
    #[serde(flatten)]
    token: Token,
}

pub(super) fn read(server: &Server, head: &Head, caller: &Caller) -> Result<Answer, ApiError> {
    Answer::render(&server.registry().tokens(caller)?, &head.options)
}

pub(super) async fn write(server: &Server, call: Call, rest: &str) -> Result<Answer, ApiError> {
    match (&call.head.method, super::split(rest)) {
        (&Method::POST | &Method::PUT, ("tokens", "")) => issue(server, call).await,
        (&Method::DELETE, ("tokens", accessor)) if !accessor.is_empty() => {
            let (head, caller, _) = call.into_parts();
            let revoked = server.registry().revoke_token(accessor.to_owned(), &caller);
            Answer::render(&revoked.await?, &head.options)
        }
        (method, ("tokens", _)) => Ok(Answer::method_not_allowed(method, "GET,POST,DELETE")),
        _ => Ok(super::elsewhere(&call.head)),
    }
}

async fn issue(server: &Server, call: Call) -> Result<Answer, ApiError> {
    let (head, caller, wish) = call.json::<Wish>().await?;
    if wish.rights.is_empty() {
        return Err(ApiError::bad_request(
            "A token needs rights, such as {\"rights\": {\"default\": \"read\"}}",
        ));
    }
    let grant =
        |rights: Rights, (namespace, right): (String, Right)| rights.grant(namespace, right);
    let new = NewToken {
        description: wish.description,
        rights: wish.rights.into_iter().fold(Rights::none(), grant),
        lifetime: wish.lifetime_s.map(Duration::from_secs),
    };
    let issued = server.registry().issue_token(new, &caller).await?;
    let made = Made {
        secret: issued.secret,
        token: issued.token,
    };
    Answer::render(&made, &head.options)
}
