//! What a registry knows: nodes, and namespace -> service -> instance with its checks.

mod check;
mod health;
mod instance;
mod meta;
mod names;
mod node;
mod registration;

pub use check::{Check, CheckKey, CheckSpec, HttpProbe, Probe, Schedule, Thresholds, Tls};
pub use health::{Health, Status};
pub use instance::{Instance, InstanceKey, NamedPort, ServiceAddress, Source, Weights};
pub use meta::Meta;
pub use names::{DEFAULT_NAMESPACE, InvalidName, Name, ServiceKey, check_name};
pub use node::{Node, NodeEntry};
pub use registration::{Addition, Registration};
