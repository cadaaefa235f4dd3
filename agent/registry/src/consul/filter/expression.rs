//! A parsed filter: how it is checked and evaluated.

use std::sync::OnceLock;

use regex::Regex;

use super::{FilterError, Select, Selected};

/// Bytes of the largest compiled regular expression: a pattern from anybody must not take the node's memory.
const MOST_REGEX_BYTES: usize = 256 * 1024;

/// What must hold.
#[derive(Debug)]
pub(super) enum Expression {
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    Not(Box<Expression>),
    Match(Match),
}

/// One comparison.
#[derive(Debug)]
pub(super) struct Match {
    pub(super) selector: Vec<String>,
    pub(super) operator: Operator,
    pub(super) value: Value,
}

/// How a field is compared. `contains` is `in` with its sides exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    IsEmpty,
    IsNotEmpty,
    In,
    NotIn,
    Matches,
    NotMatches,
}

/// The written value and what the field's type makes of it.
#[derive(Debug, Default)]
pub(super) struct Value {
    text: String,
    int: Option<i64>,
    bool: Option<bool>,
    regex: OnceLock<Regex>,
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self {
            int: text.parse().ok(),
            bool: go_bool(&text),
            text,
            regex: OnceLock::new(),
        }
    }
}

/// What Go's `strconv.ParseBool` takes.
fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

impl Expression {
    /// Whether every selector exists in a blank entry, and every operator and value fits it.
    pub(super) fn check<'a>(&self, blank: &impl Select<'a>) -> Result<(), FilterError> {
        match self {
            Self::And(left, right) | Self::Or(left, right) => {
                left.check(blank)?;
                right.check(blank)
            }
            Self::Not(inner) => inner.check(blank),
            Self::Match(comparison) => comparison.check(blank),
        }
    }

    /// Whether it holds for `entry`.
    pub(super) fn holds<'a>(&self, entry: &impl Select<'a>) -> bool {
        match self {
            Self::And(left, right) => left.holds(entry) && right.holds(entry),
            Self::Or(left, right) => left.holds(entry) || right.holds(entry),
            Self::Not(inner) => !inner.holds(entry),
            Self::Match(comparison) => comparison.holds(&entry.select(&comparison.path())),
        }
    }
}

impl Match {
    fn check<'a>(&self, blank: &impl Select<'a>) -> Result<(), FilterError> {
        if matches!(self.operator, Operator::Matches | Operator::NotMatches) {
            self.compile()?;
        }
        self.check_type(&blank.select(&self.path()))
    }

    fn path(&self) -> Vec<&str> {
        self.selector.iter().map(String::as_str).collect()
    }

    fn check_type(&self, found: &Selected<'_>) -> Result<(), FilterError> {
        use Operator::{Equal, In, IsEmpty, IsNotEmpty, NotEqual, NotIn};
        let allowed = match found {
            Selected::Unknown => {
                return Err(FilterError::UnknownSelector {
                    selector: self.selector.join("."),
                });
            }
            Selected::Text(_) | Selected::Absent => true,
            Selected::Texts(_) | Selected::Keys(_) => {
                matches!(self.operator, In | NotIn | IsEmpty | IsNotEmpty)
            }
            Selected::Int(_) | Selected::Bool(_) => matches!(self.operator, Equal | NotEqual),
            Selected::Each(found) => match found.first() {
                Some(first) => return self.check_type(first),
                None => true,
            },
        };
        if !allowed {
            return Err(FilterError::Operator {
                operator: self.operator.name(),
                selector: self.selector.join("."),
            });
        }
        self.check_value(found)
    }

    fn check_value(&self, found: &Selected<'_>) -> Result<(), FilterError> {
        let expected = match found {
            Selected::Int(_) if self.value.int.is_none() => "int",
            Selected::Bool(_) if self.value.bool.is_none() => "bool",
            _ => return Ok(()),
        };
        Err(FilterError::Value {
            value: self.value.text.clone(),
            expected,
            selector: self.selector.join("."),
        })
    }

    fn compile(&self) -> Result<(), FilterError> {
        let regex = regex::RegexBuilder::new(&self.value.text)
            .size_limit(MOST_REGEX_BYTES)
            .build()
            .map_err(|error| FilterError::Pattern {
                pattern: self.value.text.clone(),
                reason: error.to_string(),
            })?;
        self.value.regex.get_or_init(|| regex);
        Ok(())
    }

    /// Whether the comparison holds for what the selector found.
    fn holds(&self, found: &Selected<'_>) -> bool {
        if let Selected::Each(found) = found {
            return found.iter().any(|one| self.holds(one));
        }
        match self.operator {
            Operator::Equal => self.equals(found),
            Operator::NotEqual => !self.equals(found),
            Operator::In => self.is_in(found),
            Operator::NotIn => !self.is_in(found),
            Operator::IsEmpty => is_empty(found),
            Operator::IsNotEmpty => !is_empty(found),
            Operator::Matches => self.is_matched(found),
            Operator::NotMatches => !self.is_matched(found),
        }
    }

    fn equals(&self, found: &Selected<'_>) -> bool {
        match found {
            Selected::Text(text) => *text == self.value.text,
            Selected::Int(number) => Some(*number) == self.value.int,
            Selected::Bool(truth) => Some(*truth) == self.value.bool,
            _ => false,
        }
    }

    fn is_in(&self, found: &Selected<'_>) -> bool {
        let value = &self.value.text;
        match found {
            Selected::Text(text) => text.contains(value.as_str()),
            Selected::Texts(texts) => texts.contains(value),
            Selected::Keys(keys) => keys.contains(&value.as_str()),
            _ => false,
        }
    }

    fn is_matched(&self, found: &Selected<'_>) -> bool {
        match (found, self.value.regex.get()) {
            (Selected::Text(text), Some(regex)) => regex.is_match(text),
            _ => false,
        }
    }
}

fn is_empty(found: &Selected<'_>) -> bool {
    match found {
        Selected::Text(text) => text.is_empty(),
        Selected::Texts(texts) => texts.is_empty(),
        Selected::Keys(keys) => keys.is_empty(),
        Selected::Absent => true,
        _ => false,
    }
}

impl Operator {
    /// As Consul spells it in its errors.
    fn name(self) -> &'static str {
        match self {
            Self::Equal => "Equal",
            Self::NotEqual => "Not Equal",
            Self::IsEmpty => "Is Empty",
            Self::IsNotEmpty => "Is Not Empty",
            Self::In => "In",
            Self::NotIn => "Not In",
            Self::Matches => "Matches",
            Self::NotMatches => "Not Matches",
        }
    }
}
