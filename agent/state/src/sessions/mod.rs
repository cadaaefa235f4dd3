//! Sessions: who holds locks, for how long, and what becomes of the locks.
//!
//! A session ends when it is destroyed, when its TTL ran out, or when a check it depends on turns critical.
//! Ends from outside delay the locks it held: whoever still believes to hold one has time to notice.

mod held;
mod row;
mod timers;

pub(crate) use held::{hold, is_delayed, let_go};
pub use row::{
    Behavior, Session, SessionError, create, destroy, get, invalidate, invalidate_by_check, list,
    topic,
};
pub(crate) use timers::Timers;
