//! From one address to its source lines.

use super::INLINED_CALLS;
use super::inline::{Data, InlineTree};
use crate::budget::{Budget, MAX_FRAME_STEPS, MAX_INLINE_DEPTH};
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
    let mut steps = Budget::new("steps through pc tables", MAX_FRAME_STEPS);
    let mut frames = Vec::new();
    let mut at = pc;
    while frames.len() < MAX_INLINE_DEPTH {
        let (file, line) = source(record, entry, at, &mut steps)?;
        let inlined = match (tree, record.numbered(INLINED_CALLS, entry)) {
            (Some(tree), Some(calls)) => match calls.value_at(at, &mut steps)? {
                Some(number) => Some(tree.call(number)?),
                None => None,
            },
            _ => None,
        };
        let name = match inlined {
            Some(call) => Some(call.name),
            None => record.name(),
        };
        let function = name.and_then(|name| table.name_of(name));
        frames.push(Frame {
            function: text(function.ok_or(Reason::NoSourceLine { address: pc })?),
            file,
            line,
            inlined: inlined.is_some(),
        });
        let Some(call) = inlined else {
            return Ok(frames);
        };
        let parent = entry.checked_add(u64::from(call.parent_pc));
        at = parent.ok_or(Reason::NoSourceLine { address: pc })?;
    }
    Err(Reason::Limit {
        what: "inlined calls around one instruction",
        limit: MAX_INLINE_DEPTH as u64,
    })
}

/// Reads the source file and line of an address within a function.
fn source(
    record: Record<'_, '_>,
    entry: u64,
    at: u64,
    steps: &mut Budget,
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
