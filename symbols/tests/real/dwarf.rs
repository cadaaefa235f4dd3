//! An independent reading of debugging information: which calls were inlined where.

use std::collections::BTreeMap;

use gimli::{AttributeValue, EndianSlice, LittleEndian, UnitRef};
use object::{Object as _, ObjectSection as _};

type Reader<'d> = EndianSlice<'d, LittleEndian>;
type Dwarf<'d> = gimli::Dwarf<Reader<'d>>;
type Entry<'a, 'd> = gimli::DebuggingInformationEntry<Reader<'d>>;

/// An inlined call.
#[derive(Debug, Clone)]
pub(crate) struct Inlined {
    /// The function whose copy it is.
    pub(crate) callee: String,
    /// Line of the call.
    pub(crate) line: u32,
    /// How many inlined calls are around it.
    pub(crate) depth: usize,
    /// Its instructions.
    pub(crate) ranges: Vec<(u64, u64)>,
}

/// The inlined calls of one function body.
#[derive(Debug, Clone, Default)]
pub(crate) struct Body {
    pub(crate) name: String,
    pub(crate) low: u64,
    pub(crate) inlined: Vec<Inlined>,
}
