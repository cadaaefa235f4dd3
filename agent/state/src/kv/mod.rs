//! Keys and values: flags, compare-and-set, locks, folders.

mod error;
mod read;
mod row;
mod write;

pub use error::KvError;
pub use read::{folder, folders, get, index, list, prefix_index, topic, topic_of_prefix};
pub use row::Entry;
pub(crate) use row::row_key;
pub(crate) use write::unlock;
pub use write::{Condition, acquire, delete, delete_if, delete_prefix, put, put_if, release};

/// The longest value, in bytes.
pub const LONGEST_VALUE: usize = 512 * 1024;

/// The longest key, in bytes.
pub const LONGEST_KEY: usize = 4 * 1024;
