//! The calls that the compiler inlined into one function.
//!
//! Every build has them, stripped or not, for the runtime prints stacks with them.
//!
//! # Layout      up to go1.19 20 bytes a call: parent, id, file, line, name, parent pc; since go1.20 16 bytes:
//!               id, name, parent pc, start line
//! # Source      `inlinedCall` in `runtime/symtab.go`, `symtabinl.go` since go1.21

use crate::bytes;
use crate::error::Reason;
use crate::functions::{Datum, Generation, Record};
use crate::image::Image;

/// `FUNCDATA_InlTree`.
const INLINE_TREE: u8 = 3;

/// Where functions keep their data.
#[derive(Debug, Clone, Copy)]
pub(super) enum Data {
    /// Records hold pointers: go1.17.
    Pointers,
    /// Records hold offsets from here: go1.18 on.
    From(u64),
}

/// An inlined call.
#[derive(Debug, Clone, Copy)]
pub(super) struct InlinedCall {
    /// Offset of the called function's name.
    pub(super) name: u32,
    pub(super) from: Caller,
}

/// Where the source of an inlined call is found.
#[derive(Debug, Clone, Copy)]
pub(super) enum Caller {
    /// The call's number of the file and its line, and the call around it: up to go1.19.
    Stated {
        parent: Option<u32>,
        file: u32,
        line: u32,
    },
    /// At an instruction so far behind the entry, as if it were the call: since go1.20.
    At(u32),
}

/// The inlined calls of one function.
#[derive(Debug, Clone, Copy)]
pub(super) struct InlineTree<'d> {
    data: &'d [u8],
    address: u64,
    generation: Generation,
}

impl<'d> InlineTree<'d> {
    /// Finds the tree of a function; `None` when nothing was inlined into it.
    pub(super) fn of(
        image: &Image<'d>,
        record: Record<'_, 'd>,
        generation: Generation,
        data: Data,
    ) -> Result<Option<Self>, Reason> {
        let Some(datum) = record.datum(INLINE_TREE) else {
            return Ok(None);
        };
        let address = match (datum, data) {
            (Datum::PointerAt(at), _) => match image.word(at) {
                Some(0) => return Ok(None),
                pointer => pointer,
            },
            (Datum::Offset(offset), Data::From(base)) => base.checked_add(u64::from(offset)),
            (Datum::Offset(_), Data::Pointers) => None,
        };
        let found = address.and_then(|address| Some((address, image.tail(address)?)));
        let (address, data) = found.ok_or(malformed(address.unwrap_or(0)))?;
        Ok(Some(Self {
            data,
            address,
            generation,
        }))
    }

    /// Reads a call by its number.
    pub(super) fn call(self, number: u32) -> Result<InlinedCall, Reason> {
        self.read(number).ok_or(malformed(self.address))
    }

    fn read(self, number: u32) -> Option<InlinedCall> {
        let size = match self.generation {
            Generation::Absolute | Generation::Relative => 20_usize,
            Generation::StartLines => 16,
        };
        let start = usize::try_from(number).ok()?.checked_mul(size)?;
        let field = |at: usize| bytes::u32_at(self.data, start.checked_add(at)?);
        if self.generation == Generation::StartLines {
            return Some(InlinedCall {
                name: field(4)?,
                from: Caller::At(field(8)?),
            });
        }
        let parent = bytes::u16_at(self.data, start)?.cast_signed();
        Some(InlinedCall {
            name: field(12)?,
            from: Caller::Stated {
                parent: u32::try_from(parent).ok(),
                file: field(4)?,
                line: field(8)?,
            },
        })
    }
}

fn malformed(address: u64) -> Reason {
    Reason::Malformed {
        section: "inline tree",
        offset: address,
    }
}
