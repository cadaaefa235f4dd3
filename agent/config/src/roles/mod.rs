//! Who may see and change what: roles as data, bound to what is known for sure about a caller.

mod ledger;
mod policy;

pub use ledger::Ledger;
pub use policy::{Binding, Policy, Role};
