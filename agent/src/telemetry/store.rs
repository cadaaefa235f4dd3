//! Series of all targets.
