//! Log lines of targets: one [`LogRecord`] each.
//!
//! A line takes the trace id of the request whose goroutine wrote it, unless that would be a guess:
//! see [`write`].

mod level;
mod record;
pub mod write;

pub use level::level_of;
pub use record::{Level, LogRecord, Stream};
