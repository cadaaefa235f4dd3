//! Names of things, and what a name may look like.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A name that many objects share.
pub type Name = Arc<str>;

/// The namespace of callers that name none.
pub const DEFAULT_NAMESPACE: &str = "default";

/// A longer name is refused: names are part of keys, URLs and DNS names.
const LONGEST: usize = 512;

/// One service of one namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ServiceKey {
    /// Names in different namespaces never meet.
    pub namespace: Name,
    /// Name of the service.
    pub service: Name,
}

impl ServiceKey {
    /// The service `service` of `namespace`.
    pub fn new(namespace: impl Into<Name>, service: impl Into<Name>) -> Self {
        Self {
            namespace: namespace.into(),
            service: service.into(),
        }
    }
}

/// Why something cannot be a name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidName {
    /// A name has at least one character.
    #[error("{what} is empty")]
    Empty {
        /// What was to be named.
        what: &'static str,
    },
    /// A name has at most 512 bytes.
    #[error("{what} has {bytes} bytes, more than {LONGEST}")]
    TooLong {
        /// What was to be named.
        what: &'static str,
        /// Length of the name.
        bytes: usize,
    },
    /// Names are stored and sent line by line: control characters would break both.
    #[error("{what} contains the control character {character:?}")]
    Control {
        /// What was to be named.
        what: &'static str,
        /// The first such character.
        character: char,
    },
}

/// Checks that `name` can name a `what`.
///
/// # Errors
/// When it is empty, longer than 512 bytes, or contains a control character.
pub fn check_name(what: &'static str, name: &str) -> Result<(), InvalidName> {
    if name.is_empty() {
        return Err(InvalidName::Empty { what });
    }
    if name.len() > LONGEST {
        let bytes = name.len();
        return Err(InvalidName::TooLong { what, bytes });
    }
    match name.chars().find(|character| character.is_control()) {
        Some(character) => Err(InvalidName::Control { what, character }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_visible_text() {
        assert_eq!(check_name("service", "orders-v2/ü"), Ok(()));
        assert_eq!(
            check_name("service", ""),
            Err(InvalidName::Empty { what: "service" })
        );
        assert_eq!(
            check_name("service", &"x".repeat(513)),
            Err(InvalidName::TooLong {
                what: "service",
                bytes: 513
            })
        );
        assert_eq!(
            check_name("service", "a\0b"),
            Err(InvalidName::Control {
                what: "service",
                character: '\0'
            })
        );
    }
}
