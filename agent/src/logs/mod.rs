//! Log lines of targets: one [`LogRecord`] each.

mod record;

pub use record::{Level, LogRecord, Stream};
