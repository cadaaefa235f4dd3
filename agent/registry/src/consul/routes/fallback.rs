//! `/v1/health/service/:service?fallback`: golens' way to choose by tag, for Consul's clients.
//!
//! Who has the tags and is well, else who is well, else everybody; `X-Golens-Matched` says which. Paths that
//! begin with `/fallback/v1/` ask for it as well, since clients can be given a prefix and no parameter.

use http::{HeaderName, HeaderValue};

use super::health::{self, Wanted, row};
use crate::{
    Caller, Entry, Wish,
    consul::{
        error::ApiError,
        filter::Filter,
        http::{Answer, Head},
        server::Server,
        types::entry::HealthEntry,
    },
    model::Health,
};

const MATCHED: HeaderName = HeaderName::from_static("x-golens-matched");

/// Answers with what was chosen; `wanted` says how it is ordered, and what of it is shown.
pub(super) async fn service(
    server: &Server,
    head: &Head,
    name: &str,
    wanted: &Wanted<'_>,
    filter: &Filter,
    caller: &Caller,
) -> Result<Answer, ApiError> {
    let waited_for = health::view(server, head, name).await?;
    let wish = Wish {
        namespace: &waited_for.key.namespace,
        service: &waited_for.key.service,
        tags: wanted.tags.clone(),
        worst: match wanted.passing {
            true => Health::Passing,
            false => Health::Warning,
        },
    };
    let resolved = server.registry().resolve(&wish, caller)?;
    let mut chosen: Vec<&Entry> = resolved.entries.iter().collect();
    wanted.arrange(server, &mut chosen);
    let rows: Vec<HealthEntry<'_>> = chosen
        .into_iter()
        .map(|entry| row(server, entry))
        .filter(|row| filter.accepts(row))
        .collect();
    let matched = HeaderValue::from_static(resolved.matched.as_str());
    let answer = Answer::render(&rows, &head.options)?.at(resolved.index, &head.options);
    Ok(answer.with(MATCHED, matched))
}
