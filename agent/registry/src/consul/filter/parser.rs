//! Tokens of a filter to an expression.
//!
//! `or` binds weakest, then `and`, then `not`. A match is `selector operator value`, `selector is [not] empty`,
//! or `value [not] in selector`.

use super::{
    FilterError,
    expression::{Expression, Match, Operator, Value},
    lexer::{Kind, Token, syntax, tokens},
};

/// Bytes of the longest expression.
const MOST_BYTES: usize = 8 * 1024;
/// Parentheses and negations inside each other.
const MOST_DEPTH: usize = 64;

/// Parses a whole text.
pub(super) fn parse(text: &str) -> Result<Expression, FilterError> {
    if text.len() > MOST_BYTES {
        return Err(FilterError::Limit {
            limit: MOST_BYTES,
            what: "bytes",
        });
    }
    let tokens = tokens(text)?;
    let mut parser = Parser {
        text,
        tokens: &tokens,
        at: 0,
        depth: 0,
    };
    let expression = parser.or()?;
    match parser.peek(0) {
        None => Ok(expression),
        Some(_) => Err(parser.expected("\"and\", \"or\" or the end")),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: &'a [Token],
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self, ahead: usize) -> Option<&Kind> {
        self.tokens.get(self.at + ahead).map(|token| &token.kind)
    }

    fn is_word(&self, ahead: usize, word: &str) -> bool {
        matches!(self.peek(ahead), Some(Kind::Word(found)) if found == word)
    }

    /// Steps over `words` if they come next.
    fn take_words(&mut self, words: &[&str]) -> bool {
        let found = words
            .iter()
            .enumerate()
            .all(|(ahead, word)| self.is_word(ahead, word));
        if found {
            self.at += words.len();
        }
        found
    }

    fn take(&mut self, kind: &Kind) -> bool {
        let found = self.peek(0) == Some(kind);
        if found {
            self.at += 1;
        }
        found
    }

    fn expected(&self, what: &'static str) -> FilterError {
        let offset = self
            .tokens
            .get(self.at)
            .map_or(self.text.len(), |token| token.offset);
        syntax(self.text, offset, what)
    }

    fn or(&mut self) -> Result<Expression, FilterError> {
        let mut left = self.and()?;
        while self.take_words(&["or"]) {
            left = Expression::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expression, FilterError> {
        let mut left = self.not()?;
        while self.take_words(&["and"]) {
            left = Expression::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expression, FilterError> {
        if self.take_words(&["not"]) {
            return self.nested(|parser| Ok(Expression::Not(Box::new(parser.not()?))));
        }
        if self.take(&Kind::Open) {
            return self.nested(|parser| {
                let inner = parser.or()?;
                if parser.take(&Kind::Close) {
                    return Ok(inner);
                }
                Err(parser.expected("\")\""))
            });
        }
        self.comparison().map(Expression::Match)
    }

    /// Counts how deep the recursion is: the text comes from anybody.
    fn nested(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<Expression, FilterError>,
    ) -> Result<Expression, FilterError> {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            return Err(FilterError::Limit {
                limit: MOST_DEPTH,
                what: "nested expressions",
            });
        }
        let expression = inner(self)?;
        self.depth -= 1;
        Ok(expression)
    }

    /// A word is a selector when an operator on selectors follows, and else a value.
    fn comparison(&mut self) -> Result<Match, FilterError> {
        let start = self.at;
        if let Some(selector) = self.selector()
            && let Some(operator) = self.operator_behind_selector()
        {
            let value = match operator {
                Operator::IsEmpty | Operator::IsNotEmpty => Value::default(),
                _ => self.value()?,
            };
            return Ok(Match {
                selector,
                operator,
                value,
            });
        }
        self.at = start;
        let value = self.value()?;
        let operator = if self.take_words(&["in"]) {
            Operator::In
        } else if self.take_words(&["not", "in"]) {
            Operator::NotIn
        } else {
            return Err(self.expected("an operator"));
        };
        let selector = self.selector().ok_or_else(|| self.expected("a selector"))?;
        Ok(Match {
            selector,
            operator,
            value,
        })
    }

    fn operator_behind_selector(&mut self) -> Option<Operator> {
        if self.take(&Kind::Equal) {
            return Some(Operator::Equal);
        }
        if self.take(&Kind::NotEqual) {
            return Some(Operator::NotEqual);
        }
        let spellings: [(&[&str], Operator); 6] = [
            (&["is", "not", "empty"], Operator::IsNotEmpty),
            (&["is", "empty"], Operator::IsEmpty),
            (&["contains"], Operator::In),
            (&["not", "contains"], Operator::NotIn),
            (&["matches"], Operator::Matches),
            (&["not", "matches"], Operator::NotMatches),
        ];
        spellings
            .into_iter()
            .find_map(|(words, operator)| self.take_words(words).then_some(operator))
    }

    /// `Service.Meta["a.b"].c`, or a JSON pointer in quotes: `"/Service/Meta/a.b"`.
    fn selector(&mut self) -> Option<Vec<String>> {
        let mut path = match self.peek(0)? {
            Kind::Word(word) => vec![word.clone()],
            Kind::Quoted(pointer) => {
                let path = pointer_path(pointer)?;
                self.at += 1;
                return Some(path);
            }
            _ => return None,
        };
        self.at += 1;
        loop {
            let (part, length) = match (self.peek(0), self.peek(1), self.peek(2)) {
                (Some(Kind::Dot), Some(Kind::Word(part) | Kind::Number(part)), _) => (part, 2),
                (Some(Kind::OpenIndex), Some(Kind::Quoted(part)), Some(Kind::CloseIndex)) => {
                    (part, 3)
                }
                _ => return Some(path),
            };
            path.push(part.clone());
            self.at += length;
        }
    }

    /// A quoted text, a number, or a selector taken as the text it is.
    fn value(&mut self) -> Result<Value, FilterError> {
        let value = match self.peek(0) {
            Some(Kind::Quoted(text) | Kind::Number(text)) => Value::from(text.clone()),
            Some(Kind::Word(_)) => {
                let path = self.selector().unwrap_or_default();
                return Ok(Value::from(path.join(".")));
            }
            _ => return Err(self.expected("a value")),
        };
        self.at += 1;
        Ok(value)
    }
}

/// The parts of a JSON pointer (RFC 6901).
fn pointer_path(pointer: &str) -> Option<Vec<String>> {
    let parts = pointer.strip_prefix('/')?.split('/');
    Some(
        parts
            .map(|part| part.replace("~1", "/").replace("~0", "~"))
            .collect(),
    )
}
