//! Tokens, and what they allow in which namespace.

mod keyring;
mod rights;
mod token;

pub use keyring::Bearer;
pub(crate) use keyring::Keyring;
pub use rights::{Right, Rights};
pub use token::{Issued, NewToken, Token, TokenError, issue, list, revoke};
