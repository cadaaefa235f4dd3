//! Text of a filter to tokens.

use super::FilterError;

/// A token and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// Byte of the text.
    pub(super) offset: usize,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A name or a keyword; `/` may stand inside.
    Word(String),
    /// Digits, perhaps with sign and point, kept as written.
    Number(String),
    /// A quoted text without its quotes.
    Quoted(String),
    Open,
    Close,
    OpenIndex,
    CloseIndex,
    Dot,
    Equal,
    NotEqual,
}

/// Splits `text`.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, FilterError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let offset = text.len() - rest.len();
        let Some(first) = rest.chars().next() else {
            return Ok(tokens);
        };
        let (kind, length) = one(rest, first).ok_or_else(|| syntax(text, offset, EXPECTED))?;
        tokens.push(Token { kind, offset });
        rest = rest.get(length..).unwrap_or_default();
    }
}

const EXPECTED: &str = "a selector, a value or an operator";

/// The mistake at byte `offset` of `text`.
pub(super) fn syntax(text: &str, offset: usize, expected: &'static str) -> FilterError {
    let before = text.get(..offset).unwrap_or(text);
    FilterError::Syntax {
        column: before.chars().count() + 1,
        offset,
        expected,
    }
}

/// The token at the start of `rest` and its length in bytes.
fn one(rest: &str, first: char) -> Option<(Kind, usize)> {
    match first {
        '(' => Some((Kind::Open, 1)),
        ')' => Some((Kind::Close, 1)),
        '[' => Some((Kind::OpenIndex, 1)),
        ']' => Some((Kind::CloseIndex, 1)),
        '.' => Some((Kind::Dot, 1)),
        '=' => rest.starts_with("==").then_some((Kind::Equal, 2)),
        '!' => rest.starts_with("!=").then_some((Kind::NotEqual, 2)),
        '`' => raw(rest),
        '"' => double_quoted(rest),
        '-' | '0'..='9' => number(rest),
        _ if first.is_ascii_alphabetic() => Some(word(rest)),
        _ => None,
    }
}

fn word(rest: &str) -> (Kind, usize) {
    let length = rest
        .find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_' || letter == '/'))
        .unwrap_or(rest.len());
    (Kind::Word(part(rest, 0, length)), length)
}

/// `-?(0|[1-9][0-9]*)([.][0-9]+)?`, with nothing of a word behind it.
fn number(rest: &str) -> Option<(Kind, usize)> {
    let digits = |from: usize| {
        let tail = rest.get(from..).unwrap_or_default();
        tail.find(|letter: char| !letter.is_ascii_digit())
            .unwrap_or(tail.len())
    };
    let sign = usize::from(rest.starts_with('-'));
    let whole = digits(sign);
    if whole == 0 {
        return None;
    }
    let mut length = sign + whole;
    if rest.get(length..)?.starts_with('.') {
        let fraction = digits(length + 1);
        if fraction > 0 {
            length += 1 + fraction;
        }
    }
    let next = rest.get(length..)?.chars().next();
    if next.is_some_and(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
        return None;
    }
    Some((Kind::Number(part(rest, 0, length)), length))
}

fn raw(rest: &str) -> Option<(Kind, usize)> {
    let end = rest.get(1..)?.find('`')? + 1;
    Some((Kind::Quoted(part(rest, 1, end)), end + 1))
}

/// A text in double quotes with the escapes that Go and JSON share.
fn double_quoted(rest: &str) -> Option<(Kind, usize)> {
    let mut escaped = false;
    let end = rest.char_indices().skip(1).find_map(|(at, letter)| {
        let is_end = letter == '"' && !escaped;
        escaped = letter == '\\' && !escaped;
        is_end.then_some(at + 1)
    })?;
    let text = serde_json::from_str(rest.get(..end)?).ok()?;
    Some((Kind::Quoted(text), end))
}

fn part(text: &str, from: usize, to: usize) -> String {
    text.get(from..to).unwrap_or_default().to_owned()
}
