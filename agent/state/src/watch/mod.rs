//! Waiting for a change of one row, or of the rows of one prefix.

mod hub;
mod lists;
mod release;
mod topic;

pub use hub::{Hub, Wake};
pub use topic::Topic;
