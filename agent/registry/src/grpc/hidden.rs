//! Messages of watches for callers who do not see everything. Rare, so what all others share is taken apart.

use prost::Message;
use tonic::Status;

use super::{
    shared::Shared,
    v1::{Instance, Kind, WatchResponse},
};
use crate::resolve::Sight;

/// The message without the instances that the caller does not see: what a delta tells of them is that they
/// are gone, since an instance may come to be hidden.
pub(super) fn hide(message: Shared, sight: &Sight) -> Result<Shared, Status> {
    if sight.is_open() {
        return Ok(message);
    }
    let told = WatchResponse::decode(message.bytes());
    let mut told = told.map_err(|error| Status::internal(error.to_string()))?;
    let sees = |instance: &Instance| sight.allows(&instance.tags);
    let (seen, hidden): (Vec<_>, Vec<_>) = std::mem::take(&mut told.instances)
        .into_iter()
        .partition(sees);
    if hidden.is_empty() {
        return Ok(message);
    }
    told.instances = seen;
    if told.kind() == Kind::Delta {
        let ids = hidden.into_iter().filter_map(|instance| instance.id);
        told.removed.extend(ids);
    }
    Ok(Shared::of(&told))
}
