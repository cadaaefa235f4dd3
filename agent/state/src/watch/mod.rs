//! Waiting for a change of one row, or of the rows of one prefix.

mod hub;
mod lists;
mod release;
mod slot;
mod topic;

pub use hub::{Hub, Subscription, Wake};
pub use topic::Topic;
