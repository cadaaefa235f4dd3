//! Filter expressions of Consul's API (`Service.Meta.version == 2 and "v1" in Tags`).
//!
//! An expression is parsed once per request, checked against the fields of the answer's entries, and then
//! evaluated on each entry. The language is that of go-bexpr as Consul documents it.

mod expression;
mod lexer;
mod parser;
mod select;

#[cfg(test)]
mod tests;

use expression::Expression;
pub(crate) use select::{Select, Selected, map_entry, meta_entry, rest_of};

/// An expression that fits the entries it was made for, or none at all.
#[derive(Debug)]
pub(crate) struct Filter(Option<Expression>);

/// Says why an expression cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum FilterError {
    /// The text is not an expression.
    #[error(
        "Failed to create boolean expression evaluator: 1:{column} ({offset}): no match found, expected: {expected}"
    )]
    Syntax {
        /// Character of the line, counted from 1.
        column: usize,
        /// Byte of the text.
        offset: usize,
        /// What could stand there.
        expected: &'static str,
    },
    /// The expression is longer or deeper than anybody writes.
    #[error("Failed to create boolean expression evaluator: more than {limit} {what}")]
    Limit {
        /// The bound.
        limit: usize,
        /// What there is too much of.
        what: &'static str,
    },
    /// The entries have no such field.
    #[error("Failed to create boolean expression evaluator: Selector {selector:?} is not valid")]
    UnknownSelector {
        /// The selector with dots.
        selector: String,
    },
    /// The field cannot be compared in this way.
    #[error(
        "Failed to create boolean expression evaluator: Invalid match operator {operator:?} for selector {selector:?}"
    )]
    Operator {
        /// Name of the operator.
        operator: &'static str,
        /// The selector with dots.
        selector: String,
    },
    /// The field has another type than the value.
    #[error(
        "Failed to create boolean expression evaluator: Failed to parse {value:?} as {expected} for selector {selector:?}"
    )]
    Value {
        /// What was written.
        value: String,
        /// `int` or `bool`.
        expected: &'static str,
        /// The selector with dots.
        selector: String,
    },
    /// The regular expression is not one.
    #[error(
        "Failed to create boolean expression evaluator: Failed to compile regular expression {pattern:?}: {reason}"
    )]
    Pattern {
        /// What was written.
        pattern: String,
        /// What the compiler of expressions says.
        reason: String,
    },
}

impl Filter {
    /// Parses `text` and tries it on a blank entry, so that a mistake is told even when there are no entries.
    ///
    /// # Errors
    /// The text is no expression, or does not fit the fields of such an entry.
    pub(crate) fn new<'a>(text: &str, blank: &impl Select<'a>) -> Result<Self, FilterError> {
        let expression = parser::parse(text)?;
        expression.check(blank)?;
        Ok(Self(Some(expression)))
    }

    /// The same where a filter may be missing; without one everything is wanted.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(crate) fn given<'a>(
        text: Option<&str>,
        blank: &impl Select<'a>,
    ) -> Result<Self, FilterError> {
        match text {
            Some(text) => Self::new(text, blank),
            None => Ok(Self(None)),
        }
    }

    /// Whether `entry` is wanted.
    #[must_use]
    pub(crate) fn accepts<'a>(&self, entry: &impl Select<'a>) -> bool {
        self.0
            .as_ref()
            .is_none_or(|expression| expression.holds(entry))
    }
}
