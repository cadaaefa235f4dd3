//! Functions by name and by address, from the symbol table or the runtime's function table.

mod index;
mod names;
mod padding;
mod pclntab;
mod symtab;

pub(crate) use index::NameIndex;
pub(crate) use names::{is_shortened, shortened, shortens_to};
pub(crate) use pclntab::{Datum, Generation, Pclntab, Record};
pub(crate) use symtab::Symtab;
