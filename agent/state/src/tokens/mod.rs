//! Tokens, and what they allow in which namespace.

mod rights;
mod token;

pub use rights::{Right, Rights};
pub use token::{Issued, NewToken, Token, TokenError, authenticate, issue, list, revoke};
