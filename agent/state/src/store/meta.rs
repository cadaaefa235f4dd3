//! The rows about the store itself.

use crate::{
    EngineError, Revision, Table,
    rows::{REAPED, RESTORED, Record, Rows, split},
};

/// Revision of the newest change.
const REVISION: &[u8] = b"revision";

/// Layout of the rows.
const FORMAT: &[u8] = b"format";

/// The layout that this version reads and writes.
pub(crate) const CURRENT_FORMAT: u64 = 1;

/// A row as the engine has it.
type Raw = (Vec<u8>, Option<Vec<u8>>);

fn number(rows: &impl Rows, name: &[u8]) -> Result<Option<u64>, EngineError> {
    let record = rows.get(Table::META, name)?;
    record
        .map(|record| Ok(split(&record.payload)?.0.0))
        .transpose()
}

/// Revision of the newest change; [`Revision::FIRST`] before the first.
pub(crate) fn revision(rows: &impl Rows) -> Result<Revision, EngineError> {
    Ok(number(rows, REVISION)?.map_or(Revision::FIRST, Revision))
}

/// Checks that this version can read the rows.
pub(super) fn check_format(rows: &impl Rows) -> Result<(), EngineError> {
    match number(rows, FORMAT)? {
        Some(CURRENT_FORMAT) => Ok(()),
        found => Err(EngineError::Format {
            found: found.map_or_else(|| "none".to_owned(), |found| found.to_string()),
            expected: CURRENT_FORMAT.to_string(),
        }),
    }
}

fn row(name: &[u8], revision: Revision, value: u64) -> Raw {
    let payload = value.to_be_bytes();
    (
        Table::META.key(name),
        Some(Record::encode(revision, &payload)),
    )
}

/// The row to write with each commit.
pub(super) fn revision_row(revision: Revision) -> Raw {
    row(REVISION, revision, revision.0)
}

/// The rows of a new store that begins at `revision`.
pub(super) fn first_rows(revision: Revision) -> [Raw; 2] {
    [
        revision_row(revision),
        row(FORMAT, revision, CURRENT_FORMAT),
    ]
}

/// The row that raises all indexes to `revision`.
pub(super) fn restored_row(revision: Revision) -> Raw {
    row(RESTORED, revision, revision.0)
}

/// The row that raises the indexes of absent rows to `revision`: older tombstones are gone.
pub(super) fn reaped_row(at: Revision, revision: Revision) -> Raw {
    row(REAPED, at, revision.0)
}
