//! Who a target is: one [`Resource`], frozen before its first signal leaves.

mod container;
mod node;
mod otel_env;
mod resolve;
mod resource;

pub use container::container_id;
pub use node::Node;
pub use otel_env::{AttributesError, parse_attributes};
pub use resolve::{GoProgram, ProcessFacts, resolve};
pub use resource::{Resource, Value};
