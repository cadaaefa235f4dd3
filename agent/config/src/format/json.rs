//! JSON. Structure is read here, for the places; texts and numbers by serde_json.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use super::{Fault, Size, lines::Lines, scalar, twice};
use crate::{Data, Entry, Origin, Place, Value};

pub(super) fn parse(text: &str, place: &Arc<Place>) -> Result<Option<Value>, Fault> {
    let mut reader = Reader {
        text,
        at: 0,
        lines: Lines::of(text),
        place,
        size: Size::default(),
    };
    reader.space();
    if reader.peek().is_none() {
        return Ok(None);
    }
    let value = reader.value(0)?;
    reader.space();
    match reader.peek() {
        None => Ok(Some(value)),
        Some(_) => Err(reader.fault("is no JSON: something follows the value")),
    }
}

/// The bytes of the text in quotes that begins at `start`.
pub(super) fn text_at(text: &str, start: usize) -> Option<Range<usize>> {
    let literal = literal(text.get(start..)?)?;
    literal
        .starts_with('"')
        .then(|| start..start + literal.len())
}

/// What `rest` begins with, up to its closing quote.
fn literal(rest: &str) -> Option<&str> {
    let mut escaped = false;
    let end = rest.bytes().skip(1).position(|byte| {
        let is_end = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        is_end
    });
    end.and_then(|end| rest.get(..end + 2))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    lines: Lines<'a>,
    place: &'a Arc<Place>,
    size: Size,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<Value, Fault> {
        let origin = self.origin();
        let mark = self.lines.mark(self.at);
        self.size.value(mark)?;
        Size::depth(depth, mark)?;
        let data = match self.peek() {
            Some(b'{') => self.map(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => Data::Text(self.text()?),
            Some(_) => self.word()?,
            None => return Err(self.fault("is no JSON: the text ends where a value should be")),
        };
        Ok(Value { data, origin })
    }

    fn map(&mut self, depth: usize) -> Result<Data, Fault> {
        let mut entries = BTreeMap::<String, Entry>::new();
        self.at += 1;
        if self.closes(b'}') {
            return Ok(Data::Map(entries));
        }
        loop {
            self.space();
            let key_at = self.at;
            let origin = self.origin();
            if self.peek() != Some(b'"') {
                return Err(self.fault("is no JSON: a key in double quotes is missing"));
            }
            let key = self.text()?;
            if let Some(first) = entries.get(&key) {
                return Err(twice(&key, &first.key, self.lines.mark(key_at)));
            }
            self.space();
            self.expect(b':', "is no JSON: a colon is missing")?;
            self.space();
            let value = self.value(depth + 1)?;
            entries.insert(key, Entry { key: origin, value });
            if self.closes(b'}') {
                return Ok(Data::Map(entries));
            }
            self.expect(b',', "is no JSON: a comma or } is missing")?;
        }
    }

    fn list(&mut self, depth: usize) -> Result<Data, Fault> {
        let mut values = Vec::new();
        self.at += 1;
        if self.closes(b']') {
            return Ok(Data::List(values));
        }
        loop {
            self.space();
            values.push(self.value(depth + 1)?);
            if self.closes(b']') {
                return Ok(Data::List(values));
            }
            self.expect(b',', "is no JSON: a comma or ] is missing")?;
        }
    }

    /// Takes a text in quotes.
    fn text(&mut self) -> Result<String, Fault> {
        let Some(literal) = literal(self.rest()) else {
            return Err(self.fault("is no JSON: a quote is not closed"));
        };
        let text = serde_json::from_str(literal);
        let text =
            text.map_err(|_malformed| self.fault("is no JSON: a text holds what must be escaped"))?;
        self.at += literal.len();
        Ok(text)
    }

    /// Takes a number, `true`, `false` or `null`.
    fn word(&mut self) -> Result<Data, Fault> {
        let rest = self.rest();
        let ends = |c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c));
        let word = rest.split(ends).next().unwrap_or_default();
        let data = match word {
            "true" => Data::Bool(true),
            "false" => Data::Bool(false),
            "null" => Data::Null,
            _ if serde_json::from_str::<serde_json::Number>(word).is_ok() => {
                let number = match word.contains(['.', 'e', 'E']) {
                    true => scalar::float(word),
                    false => scalar::integer(word),
                };
                Data::Number(number.map_err(|message| self.fault(&message))?)
            }
            _ => return Err(self.fault("is no JSON: neither a text in quotes, nor a number")),
        };
        self.at += word.len();
        Ok(data)
    }

    fn closes(&mut self, byte: u8) -> bool {
        self.space();
        let closes = self.peek() == Some(byte);
        self.at += usize::from(closes);
        closes
    }

    fn expect(&mut self, byte: u8, otherwise: &str) -> Result<(), Fault> {
        if self.peek() != Some(byte) {
            return Err(self.fault(otherwise));
        }
        self.at += 1;
        Ok(())
    }

    fn space(&mut self) {
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        self.at += self.rest().bytes().take_while(is_space).count();
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn origin(&self) -> Origin {
        Origin {
            place: Arc::clone(self.place),
            mark: Some(self.lines.mark(self.at)),
        }
    }

    fn fault(&self, message: &str) -> Fault {
        Fault::new(self.lines.mark(self.at), message)
    }
}
