//! How often, and into which functions, a function was inlined.

use std::collections::HashMap;

use super::INLINED_CALLS;
use super::inline::{Data, InlineTree};
use crate::budget::{Allowance, MAX_INLINE_STEPS, MAX_INLINED_NAMES, MAX_NAME};
use crate::error::Reason;
use crate::fact::InlinedInto;
use crate::functions::{NameIndex, Pclntab, Record, is_shortened, shortened, shortens_to};
use crate::image::Image;

/// The number of copies of every inlined function; 16 bytes a name.
#[derive(Debug)]
pub(crate) struct InlineIndex {
    /// Name offset and copies.
    rows: Vec<(u32, u32)>,
    names: NameIndex,
}

impl InlineIndex {
    /// Reads all inline trees once.
    pub(super) fn build(
        image: &Image<'_>,
        table: &Pclntab<'_>,
        data: Data,
    ) -> Result<Self, Reason> {
        let mut copies = HashMap::<u32, u32>::new();
        each_call(image, table, data, |_, name| {
            let count = copies.entry(name).or_default();
            *count = count.saturating_add(1);
            if copies.len() > MAX_INLINED_NAMES {
                return Err(Reason::Limit {
                    what: "names of inlined functions",
                    limit: MAX_INLINED_NAMES as u64,
                });
            }
            Ok(())
        })?;
        let rows: Vec<(u32, u32)> = copies.into_iter().collect();
        let named = rows.iter().map(|&(name, _)| table.name_of(name));
        let names = NameIndex::build((0..).zip(named), table.length(), &image.budget)?;
        Ok(Self { rows, names })
    }

    /// Counts the copies of a function.
    pub(super) fn copies(&self, table: &Pclntab<'_>, name: &str) -> Result<u32, Reason> {
        let copies = self.exact(table, name);
        if copies == 0 && is_shortened(name) {
            return Ok(self.with_any_arguments(table, name));
        }
        let short = shortened(name).filter(|short| short != name);
        if copies == 0 && short.is_some_and(|short| self.exact(table, &short) > 0) {
            return Err(Reason::TypeArguments);
        }
        Ok(copies)
    }

    fn exact(&self, table: &Pclntab<'_>, name: &str) -> u32 {
        let candidates = self.names.candidates(name.as_bytes());
        let rows = candidates.filter_map(|row| self.rows.get(usize::try_from(row).ok()?));
        sum(rows.filter(|row| table.name_of(row.0) == Some(name.as_bytes())))
    }

    fn with_any_arguments(&self, table: &Pclntab<'_>, short: &str) -> u32 {
        let same = |found: &[u8]| shortens_to(found, short);
        sum(self
            .rows
            .iter()
            .filter(|row| table.name_of(row.0).is_some_and(same)))
    }
}

fn sum<'r>(rows: impl Iterator<Item = &'r (u32, u32)>) -> u32 {
    rows.fold(0, |sum, &(_, copies)| sum.saturating_add(copies))
}

/// Lists the functions into which `name` was inlined.
pub(super) fn holders(
    image: &Image<'_>,
    table: &Pclntab<'_>,
    data: Data,
    name: &str,
) -> Result<Vec<InlinedInto>, Reason> {
    let shortened = is_shortened(name);
    let wanted = |found: &[u8]| found == name.as_bytes() || (shortened && shortens_to(found, name));
    let mut answer = image.budget.answer();
    let mut holders = Vec::<InlinedInto>::new();
    each_call(image, table, data, |record, call| {
        let found = table.name_of(call);
        image.budget.search(found.map_or(MAX_NAME, <[u8]>::len))?;
        if !found.is_some_and(wanted) {
            return Ok(());
        }
        let address = record.entry(image).ok_or(Reason::NotFound)?;
        match holders.last_mut().filter(|last| last.address == address) {
            Some(last) => last.copies = last.copies.saturating_add(1),
            None => {
                let function = record.name().and_then(|name| table.name_of(name));
                answer.spend(InlinedInto::cost(function.map_or(0, <[u8]>::len)))?;
                holders.push(InlinedInto {
                    function: String::from_utf8_lossy(function.unwrap_or_default()).into_owned(),
                    address,
                    copies: 1,
                });
            }
        }
        Ok(())
    })?;
    Ok(holders)
}

/// Visits every inlined call of every function with the offset of the called function's name.
fn each_call<'t, 'd>(
    image: &Image<'d>,
    table: &'t Pclntab<'d>,
    data: Data,
    mut visit: impl FnMut(Record<'t, 'd>, u32) -> Result<(), Reason>,
) -> Result<(), Reason> {
    let mut steps = image
        .budget
        .allow("steps through inline trees", MAX_INLINE_STEPS);
    for record in table.records() {
        let Some(calls) = last_call(record, &mut steps)? else {
            continue;
        };
        let Some(tree) = InlineTree::of(image, record, table.generation(), data)? else {
            continue;
        };
        for number in 0..=calls {
            steps.spend(1)?;
            visit(record, tree.call(number)?.name)?;
        }
    }
    Ok(())
}

/// Finds the highest number of an inlined call. Trees do not state their length, but the compiler adds a
/// call after those around it and only for an instruction of its own, so the last one has instructions.
fn last_call(record: Record<'_, '_>, steps: &mut Allowance<'_>) -> Result<Option<u32>, Reason> {
    let mut last = None;
    let Some(mut table) = record.numbered(INLINED_CALLS, 0) else {
        return Ok(None);
    };
    while let Some(run) = table.next_run()? {
        steps.spend(1)?;
        last = last.max(u32::try_from(run.value).ok());
    }
    Ok(last)
}
