//! A timer wheel.

use std::time::Instant;

/// Names one timer of a wheel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timer(u32);

/// Deadlines of very many timers, most of which are moved before they fire.
#[derive(Debug)]
pub struct Wheel {
    start: Instant,
}
