//! Functions by name and by address, from the symbol table or the runtime's function table.

mod index;
mod padding;
mod pclntab;
mod symtab;

pub(crate) use pclntab::Pclntab;
pub(crate) use symtab::Symtab;
