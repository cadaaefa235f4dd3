//! TOML. Dates and times are texts.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Fault, Size, lines::Lines, scalar};
use crate::{Data, Entry, Origin, Place, Value};

pub(super) fn parse(text: &str, place: &Arc<Place>) -> Result<Option<Value>, Fault> {
    let mut reader = Reader {
        lines: Lines::of(text),
        place,
        size: Size::default(),
    };
    let table = DeTable::parse(text).map_err(|error| {
        let mark = error.span().map(|span| reader.lines.mark(span.start));
        let message = format!("is no TOML: {}", error.message());
        Fault { mark, message }
    })?;
    if table.get_ref().is_empty() {
        return Ok(None);
    }
    let span = table.span();
    let data = reader.table(table.into_inner(), 0)?;
    let origin = reader.origin(span.start);
    Ok(Some(Value { data, origin }))
}

/// The bytes of the text that begins at `start`.
pub(super) fn text_at(text: &str, start: usize) -> Option<Range<usize>> {
    let table = DeTable::parse(text).ok()?;
    in_table(table.get_ref(), start)
}

fn in_table(table: &DeTable<'_>, start: usize) -> Option<Range<usize>> {
    let mut values = table.iter().map(|(_, value)| value);
    values.find_map(|value| in_value(value, start))
}

fn in_value(value: &Spanned<DeValue<'_>>, start: usize) -> Option<Range<usize>> {
    match value.get_ref() {
        DeValue::String(_) if value.span().start == start => Some(value.span()),
        DeValue::Array(values) => values.iter().find_map(|value| in_value(value, start)),
        DeValue::Table(table) => in_table(table, start),
        _ => None,
    }
}

struct Reader<'a> {
    lines: Lines<'a>,
    place: &'a Arc<Place>,
    size: Size,
}

impl Reader<'_> {
    fn table(&mut self, table: DeTable<'_>, depth: usize) -> Result<Data, Fault> {
        let mut entries = BTreeMap::new();
        for (key, value) in table {
            let origin = self.origin(key.span().start);
            let at = value.span().start;
            let value = self.value(value.into_inner(), at, depth + 1)?;
            let name = key.into_inner().into_owned();
            entries.insert(name, Entry { key: origin, value });
        }
        Ok(Data::Map(entries))
    }

    fn value(&mut self, value: DeValue<'_>, at: usize, depth: usize) -> Result<Value, Fault> {
        let mark = self.lines.mark(at);
        self.size.value(mark)?;
        Size::depth(depth, mark)?;
        let fault = |message: String| Fault::new(mark, message);
        let data = match value {
            DeValue::String(text) => Data::Text(text.into_owned()),
            DeValue::Boolean(value) => Data::Bool(value),
            DeValue::Datetime(time) => Data::Text(time.to_string()),
            DeValue::Integer(integer) => {
                let number = i64::from_str_radix(integer.as_str(), integer.radix());
                let number = number.map_err(|_overflow| {
                    fault("the integer does not fit into 64 bits; a text needs quotes".to_owned())
                })?;
                Data::Number(number.into())
            }
            DeValue::Float(float) => Data::Number(scalar::float(float.as_str()).map_err(fault)?),
            DeValue::Array(values) => {
                let values = values.into_iter().map(|value| {
                    let at = value.span().start;
                    self.value(value.into_inner(), at, depth + 1)
                });
                Data::List(values.collect::<Result<_, _>>()?)
            }
            DeValue::Table(table) => self.table(table, depth)?,
        };
        let origin = self.origin(at);
        Ok(Value { data, origin })
    }

    fn origin(&self, at: usize) -> Origin {
        Origin {
            place: Arc::clone(self.place),
            mark: Some(self.lines.mark(at)),
        }
    }
}
