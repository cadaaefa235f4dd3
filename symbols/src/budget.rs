//! Every bound on the work and memory one binary may cost, in one place.

use crate::error::Reason;

/// Sections beyond this count make the section table unreadable.
pub(crate) const MAX_SECTIONS: usize = 16 * 1024;
/// Program headers beyond this count make the file malformed.
pub(crate) const MAX_SEGMENTS: usize = 4 * 1024;
/// Symbols or functions beyond this count make their table unusable; an index entry takes 8 bytes.
pub(crate) const MAX_FUNCTIONS: usize = 4 << 20;
/// Dynamic relocations beyond this count are not indexed; an index entry takes 4 bytes.
pub(crate) const MAX_RELOCATIONS: usize = 16 << 20;
/// A compressed section may expand to this many bytes.
pub(crate) const MAX_EXPANDED: u64 = 256 << 20;
/// A name longer than this is not looked at.
pub(crate) const MAX_NAME: usize = 4 * 1024;
/// Bytes of names hashed for one index.
pub(crate) const MAX_NAME_BYTES: u64 = 512 << 20;
/// Bytes of build information text.
pub(crate) const MAX_BUILD_INFO: u64 = 4 << 20;
/// Modules and settings kept of the build information.
pub(crate) const MAX_MODULES: usize = 64 * 1024;
/// Type descriptors visited.
pub(crate) const MAX_TYPES: u64 = 2 << 20;
/// Type references followed from descriptors (functions of many arguments, interfaces of many methods).
pub(crate) const MAX_TYPE_EDGES: u64 = 32 << 20;
/// Debugging entries visited.
pub(crate) const MAX_ENTRIES: u64 = 256 << 20;
/// Units of debugging information.
pub(crate) const MAX_UNITS: usize = 256 * 1024;
/// A table of abbreviations larger than this is not expanded; in memory it takes a multiple.
pub(crate) const MAX_ABBREVIATIONS: u64 = 16 << 20;
/// Bytes of fields and their names kept for one answer.
pub(crate) const MAX_FIELD_BYTES: u64 = 32 << 20;
/// Runs of pc tables read for the source lines of one address.
pub(crate) const MAX_FRAME_STEPS: u64 = 4 << 20;
/// Inlined calls around one instruction.
pub(crate) const MAX_INLINE_DEPTH: usize = 256;
/// Runs of pc tables and inlined calls read for the copies of inlined functions.
pub(crate) const MAX_INLINE_STEPS: u64 = 64 << 20;
/// Different functions that were inlined somewhere; an index entry takes 16 bytes.
pub(crate) const MAX_INLINED_NAMES: usize = 256 * 1024;
/// Bytes of a function decoded in search of its returns and calls.
pub(crate) const MAX_FUNCTION: u64 = 16 << 20;
/// Branch targets kept of one function.
pub(crate) const MAX_TARGETS: usize = 1 << 20;
/// Instructions looked at behind a call.
pub(crate) const MAX_AFTER_CALL: usize = 64;
/// Instructions decoded in search of a probe site.
pub(crate) const MAX_PROLOGUE: usize = 8;

/// Counts down what one operation may still visit.
#[derive(Debug)]
pub(crate) struct Budget {
    what: &'static str,
    limit: u64,
    left: u64,
}

impl Budget {
    /// Allows `limit` units of `what`.
    pub(crate) fn new(what: &'static str, limit: u64) -> Self {
        Self {
            what,
            limit,
            left: limit,
        }
    }

    /// Spends `units`, or says that the limit is reached.
    pub(crate) fn spend(&mut self, units: u64) -> Result<(), Reason> {
        match self.left.checked_sub(units) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(Reason::Limit {
                what: self.what,
                limit: self.limit,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spent_budget_names_its_limit() {
        let mut budget = Budget::new("entries", 2);
        assert_eq!(budget.spend(2), Ok(()));
        assert_eq!(
            budget.spend(1),
            Err(Reason::Limit {
                what: "entries",
                limit: 2
            })
        );
    }
}
