//! Who a target is: one [`Resource`], frozen before its first signal leaves.

mod resource;

pub use resource::{Resource, Value};
