//! Ring buffer bytes become typed events; bounds are checked here and nowhere else.

mod decode;
mod drain;

pub use decode::{DecodeError, Event, process_event};
pub use drain::{Drain, Waiter};
