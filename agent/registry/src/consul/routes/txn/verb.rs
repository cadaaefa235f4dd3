//! What an operation on a node, service or check does.

use state::Revision;

use crate::consul::error::ApiError;

/// What an operation does; an index makes it fail unless the thing was last changed there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// Shows it; fails when it is not there.
    Get,
    /// Makes or changes it.
    Set,
    /// The same; with 0, fails when it is there.
    SetAt(Revision),
    /// Removes it, if it is there.
    Delete,
    /// Removes it.
    DeleteAt(Revision),
}

impl Verb {
    /// Reads the verb of an operation on a `what`.
    ///
    /// # Errors
    /// There is no such verb.
    pub(super) fn parse(what: &str, verb: &str, index: u64) -> Result<Self, ApiError> {
        match verb {
            "get" => Ok(Self::Get),
            "set" => Ok(Self::Set),
            "cas" => Ok(Self::SetAt(Revision(index))),
            "delete" => Ok(Self::Delete),
            "delete-cas" => Ok(Self::DeleteAt(Revision(index))),
            _ => Err(ApiError::bad_request(format!(
                "unknown {what} verb {verb:?}"
            ))),
        }
    }

    /// Whether it changes anything.
    pub(super) fn writes(self) -> bool {
        self != Self::Get
    }

    /// Whether it makes or changes something.
    pub(super) fn sets(self) -> bool {
        matches!(self, Self::Set | Self::SetAt(_))
    }

    /// Checks that a thing last changed at `found`, or one that is not there, is what the verb expects.
    ///
    /// # Errors
    /// What is wrong, in Consul's words; `thing` names it.
    pub(super) fn expect(self, thing: &str, found: Option<Revision>) -> Result<(), String> {
        match self {
            Self::Get if found.is_none() => Err(format!("{thing} doesn't exist")),
            Self::SetAt(index) if found.unwrap_or(Revision(0)) != index => {
                Err(format!("failed to set {thing}, index is stale"))
            }
            Self::DeleteAt(index) if found != Some(index) => {
                Err(format!("failed to delete {thing}, index is stale"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_has_to_be_that_of_the_last_change() {
        let expect =
            |verb: Verb, found: Option<u64>| verb.expect("it", found.map(Revision)).is_ok();
        let at = Revision;
        assert!(expect(Verb::SetAt(at(0)), None) && !expect(Verb::SetAt(at(0)), Some(7)));
        assert!(expect(Verb::SetAt(at(7)), Some(7)) && !expect(Verb::SetAt(at(7)), None));
        assert!(expect(Verb::DeleteAt(at(7)), Some(7)) && !expect(Verb::DeleteAt(at(7)), Some(8)));
        assert!(!expect(Verb::DeleteAt(at(0)), None));
        assert!(expect(Verb::Delete, None) && expect(Verb::Set, None) && !expect(Verb::Get, None));
    }
}
