//! YAML 1.2: one document, aliases, merge keys.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    sync::Arc,
};

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};

use super::{Fault, Size, scalar, twice};
use crate::{Data, Entry, Mark, Origin, Place, Value};

/// The key that takes over the entries of another mapping.
const MERGE: &str = "<<";

pub(super) fn parse(text: &str, place: &Arc<Place>) -> Result<Option<Value>, Fault> {
    let mut document = Document {
        parser: Parser::new_from_str(text),
        place,
        anchors: HashMap::new(),
        size: Size::default(),
    };
    let mut found = None;
    loop {
        let (event, span) = document.next()?;
        match event {
            Event::StreamEnd => return Ok(found),
            Event::DocumentStart(_) if found.is_some() => {
                let message = "a second document begins; one is read";
                return Err(Fault::new(mark(&span), message));
            }
            Event::DocumentStart(_) => found = document.top()?,
            _ => {}
        }
    }
}

struct Document<'a> {
    parser: Parser<'a, StrInput<'a>>,
    place: &'a Arc<Place>,
    anchors: HashMap<usize, Value>,
    size: Size,
}

impl<'a> Document<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Fault> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let at = error.marker();
                let mark = Mark {
                    line: at.line(),
                    column: at.col() + 1,
                };
                Err(Fault::new(mark, format!("is no YAML: {}", error.info())))
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    /// The document's value; `None` when there is none.
    fn top(&mut self) -> Result<Option<Value>, Fault> {
        let (event, span) = self.next()?;
        let is_nothing = match &event {
            Event::DocumentEnd | Event::StreamEnd => true,
            Event::Scalar(text, ScalarStyle::Plain, _, None) => text.is_empty(),
            _ => false,
        };
        match is_nothing {
            true => Ok(None),
            false => self.value(event, &span, 0).map(Some),
        }
    }

    fn value(&mut self, event: Event<'a>, span: &Span, depth: usize) -> Result<Value, Fault> {
        let mark = mark(span);
        self.size.value(mark)?;
        Size::depth(depth, mark)?;
        let (data, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = style != ScalarStyle::Plain || is_text(tag.as_deref(), mark)?;
                let data = match is_text {
                    true => Data::Text(text.into_owned()),
                    false => scalar::plain(&text).map_err(|message| Fault::new(mark, message))?,
                };
                (data, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                is_text(tag.as_deref(), mark)?;
                (self.list(depth)?, anchor)
            }
            Event::MappingStart(anchor, tag) => {
                is_text(tag.as_deref(), mark)?;
                (self.map(depth)?, anchor)
            }
            Event::Alias(anchor) => return self.alias(anchor, mark, depth),
            _ => return Err(Fault::new(mark, "is no YAML: a value is missing")),
        };
        let value = Value {
            data,
            origin: self.origin(mark),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, value.clone());
        }
        Ok(value)
    }

    /// What the anchor stands for; its values keep their places and count again.
    fn alias(&mut self, anchor: usize, mark: Mark, depth: usize) -> Result<Value, Fault> {
        let Some(value) = self.anchors.get(&anchor).cloned() else {
            return Err(Fault::new(mark, "the alias lies within its own anchor"));
        };
        recount(&value, &mut self.size, mark, depth)?;
        Ok(value)
    }

    fn list(&mut self, depth: usize) -> Result<Data, Fault> {
        let mut values = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Data::List(values)),
                (event, span) => values.push(self.value(event, &span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Data, Fault> {
        let mut entries = BTreeMap::<String, Entry>::new();
        let mut merged = Vec::new();
        loop {
            let (event, span) = self.next()?;
            let mark = mark(&span);
            let (key, is_plain) = match event {
                Event::MappingEnd => break,
                Event::Scalar(text, style, ..) => (text.into_owned(), style == ScalarStyle::Plain),
                _ => return Err(Fault::new(mark, "a key must be a text")),
            };
            let (event, span) = self.next()?;
            let value = self.value(event, &span, depth + 1)?;
            if is_plain && key == MERGE {
                merged.push((value, mark));
                continue;
            }
            if let Some(first) = entries.get(&key) {
                return Err(twice(&key, &first.key, mark));
            }
            let origin = self.origin(mark);
            entries.insert(key, Entry { key: origin, value });
        }
        for (value, mark) in merged {
            merge(value, mark, &mut entries)?;
        }
        Ok(Data::Map(entries))
    }

    fn origin(&self, mark: Mark) -> Origin {
        Origin {
            place: Arc::clone(self.place),
            mark: Some(mark),
        }
    }
}

/// The bytes of the scalar that begins at `at`.
pub(super) fn text_at(text: &str, at: Mark) -> Option<Range<usize>> {
    let mut parser = Parser::new_from_str(text);
    let (style, span) = loop {
        match parser.next_event()?.ok()? {
            (Event::Scalar(_, style, ..), span) if mark(&span) == at => break (style, span),
            _ => {}
        }
    };
    // The parser counts characters.
    let offset = |index: usize| {
        let offsets = text.char_indices().map(|(offset, _)| offset);
        offsets.chain([text.len()]).nth(index)
    };
    let (start, end) = (offset(span.start.index())?, offset(span.end.index())?);
    let begins = match style {
        ScalarStyle::Literal | ScalarStyle::Folded => block_header(text.get(..start)?)?,
        _ => start,
    };
    // A block ends with the line break before the next key, which stays.
    let length = text.get(start..end)?.trim_end().len();
    Some(begins..start + length)
}

/// Where the `|` or `>` stands that announces the block after `before`. With a comment behind it, it cannot
/// be taken away.
fn block_header(before: &str) -> Option<usize> {
    let before = before.trim_end();
    let options = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-');
    let before = before.trim_end_matches(options);
    let rest = before.strip_suffix(['|', '>'])?;
    Some(rest.len())
}

/// Takes over the entries of a mapping, or of a list of them, that are not there yet.
fn merge(value: Value, mark: Mark, entries: &mut BTreeMap<String, Entry>) -> Result<(), Fault> {
    match value.data {
        Data::Map(others) => {
            for (key, entry) in others {
                entries.entry(key).or_insert(entry);
            }
            Ok(())
        }
        Data::List(values) if values.iter().all(|it| matches!(it.data, Data::Map(_))) => values
            .into_iter()
            .try_for_each(|value| merge(value, mark, entries)),
        _ => Err(Fault::new(
            mark,
            "`<<` takes a mapping or a list of mappings",
        )),
    }
}

fn recount(value: &Value, size: &mut Size, mark: Mark, depth: usize) -> Result<(), Fault> {
    size.value(mark)?;
    Size::depth(depth, mark)?;
    match &value.data {
        Data::List(values) => values
            .iter()
            .try_for_each(|value| recount(value, size, mark, depth + 1)),
        Data::Map(entries) => entries
            .values()
            .try_for_each(|entry| recount(&entry.value, size, mark, depth + 1)),
        _ => Ok(()),
    }
}

/// Whether a tag makes a text of a plain word. Tags of programs (`!Ref`) mean nothing here.
fn is_text(tag: Option<&Tag>, mark: Mark) -> Result<bool, Fault> {
    match tag {
        None => Ok(false),
        Some(tag) if tag.is_yaml_core_schema() => Ok(tag.suffix == "str"),
        Some(tag) if tag.handle.is_empty() && tag.suffix == "!" => Ok(true),
        Some(tag) => Err(Fault::new(mark, format!("the tag {tag} is not known"))),
    }
}

fn mark(span: &Span) -> Mark {
    Mark {
        line: span.start.line(),
        column: span.start.col() + 1,
    }
}
