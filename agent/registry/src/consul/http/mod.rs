//! HTTP/1.1, as thin as it can be: hyper on a stream, one task per connection.

mod answer;
mod body;
mod call;
mod listener;

pub(crate) use answer::Answer;
pub(crate) use body::read_body;
pub(crate) use call::{Call, Head, namespace_or};
pub(crate) use listener::{ACCEPT_PAUSE, DRAIN, Handler, Stream, accept, ending, next, secured};
pub use listener::{Listener, Shutdown};
