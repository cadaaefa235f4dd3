//! Requests and answers of Consul's API.

mod answer;
mod body;
mod call;

pub(crate) use answer::Answer;
pub(crate) use body::read_body;
pub(crate) use call::{Call, Head, namespace_or};
