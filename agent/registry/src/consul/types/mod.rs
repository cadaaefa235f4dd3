//! The shapes of Consul's JSON.

pub(crate) mod blank;
pub(crate) mod catalog;
pub(crate) mod check;
mod check_input;
mod definition;
pub(crate) mod entry;
pub(crate) mod kv;
pub(crate) mod node;
pub(crate) mod service;
mod service_input;
pub(crate) mod session;
pub(crate) mod txn;

pub(crate) use definition::{
    AddressDefinition, CheckDefinition, PortDefinition, ServiceDefinition, WeightsDefinition,
};

/// Whether Go's `omitempty` leaves it out.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
