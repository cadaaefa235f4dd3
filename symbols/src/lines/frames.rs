//! From one address to its source lines.

use super::INLINED_CALLS;
use super::inline::{Caller, Data, InlineTree};
use crate::budget::{Allowance, MAX_FRAME_STEPS, MAX_INLINE_DEPTH};
use crate::error::Reason;
use crate::fact::Frame;
use crate::functions::{Pclntab, Record};
use crate::image::Image;

/// Lists the frames of an instruction, innermost first.
pub(super) fn at(
    image: &Image<'_>,
    table: &Pclntab<'_>,
    data: Data,
    pc: u64,
) -> Result<Vec<Frame>, Reason> {
    let outside = Reason::OutsideCode { address: pc };
    if !image.is_code(pc) {
        return Err(outside);
    }
    let record = table.record_before(image, pc).ok_or(outside)?;
    let entry = record.entry(image).ok_or(Reason::NotFound)?;
    let tree = InlineTree::of(image, record, table.generation(), data)?;
    let missing = || Reason::NoSourceLine { address: pc };
    let mut steps = image
        .budget
        .allow("steps through pc tables", MAX_FRAME_STEPS);
    let calls = record.numbered(INLINED_CALLS, entry);
    let inlined_at = |at: u64, steps: &mut Allowance<'_>| match (tree, calls) {
        (Some(_), Some(calls)) => calls.value_at(at, steps),
        _ => Ok(None),
    };
    let mut source = line_at(record, entry, pc, &mut steps)?;
    let mut number = inlined_at(pc, &mut steps)?;
    let mut frames = Vec::new();
    while frames.len() < MAX_INLINE_DEPTH {
        let call = match (tree, number) {
            (Some(tree), Some(number)) => Some(tree.call(number)?),
            _ => None,
        };
        let name = call.map(|call| call.name).or_else(|| record.name());
        let name = name.and_then(|name| table.name_of(name));
        let (file, line) = source;
        frames.push(Frame {
            function: text(name.ok_or_else(missing)?),
            file,
            line,
            inlined: call.is_some(),
        });
        match call.map(|call| call.from) {
            None => return Ok(frames),
            Some(Caller::Stated { parent, file, line }) => {
                source = (text(record.file(file).ok_or_else(missing)?), line);
                number = parent;
            }
            Some(Caller::At(distance)) => {
                let at = entry.checked_add(u64::from(distance)).ok_or_else(missing)?;
                source = line_at(record, entry, at, &mut steps)?;
                number = inlined_at(at, &mut steps)?;
            }
        }
    }
    Err(Reason::Limit {
        what: "inlined calls around one instruction",
        limit: MAX_INLINE_DEPTH as u64,
    })
}

/// Reads the source file and line of an address within a function.
fn line_at(
    record: Record<'_, '_>,
    entry: u64,
    at: u64,
    steps: &mut Allowance<'_>,
) -> Result<(String, u32), Reason> {
    let missing = || Reason::NoSourceLine { address: at };
    let files = record.files(entry).ok_or_else(missing)?;
    let number = files.value_at(at, steps)?.ok_or_else(missing)?;
    let file = record.file(number).ok_or_else(missing)?;
    let lines = record.lines(entry).ok_or_else(missing)?;
    let line = lines.value_at(at, steps)?.ok_or_else(missing)?;
    Ok((text(file), line))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
