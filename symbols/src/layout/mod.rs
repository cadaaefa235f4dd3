//! Struct layouts, from debugging information or from the runtime's type descriptors.

mod descriptors;
mod dwarf;
mod names;
mod shapes;

use std::collections::HashMap;

pub(crate) use descriptors::Descriptors;
pub(crate) use dwarf::{Dwarf, Sections};
use shapes::Shapes;

use crate::budget::{Allowance, Budget};
use crate::error::{Reason, Unresolved};
use crate::fact::{Fact, LayoutSource, Provenance};
use crate::tables::StructTable;

/// The layouts of the structs asked for, with the structs they hold by value.
#[derive(Debug, Default)]
pub struct Layouts {
    shapes: Shapes,
    structs: HashMap<String, Result<(usize, Provenance), Reason>>,
}

impl Layouts {
    /// Answers the byte offset of a field, which may lie in nested structs: `"pfd.Sysfd"`.
    ///
    /// A path that ends at a wrapper such as `atomic.Uint64` means the value in it.
    ///
    /// # Errors
    /// When the struct is unknown or has no such field.
    pub fn field(&self, structure: &str, path: &str) -> Result<Fact<u32>, Unresolved> {
        let unresolved = |reason| Unresolved::new(format!("{structure}.{path}"), reason);
        let (shape, provenance) = self.shape(structure).map_err(unresolved)?;
        let value = self
            .shapes
            .offset(structure, shape, path)
            .map_err(unresolved)?;
        Ok(Fact { value, provenance })
    }

    /// Answers the size of a struct in bytes.
    ///
    /// # Errors
    /// When the struct is unknown.
    pub fn size(&self, structure: &str) -> Result<Fact<u32>, Unresolved> {
        let (shape, provenance) = self
            .shape(structure)
            .map_err(|reason| Unresolved::new(structure, reason))?;
        let value = self
            .shapes
            .size(shape)
            .ok_or_else(|| Unresolved::new(structure, Reason::NotFound))?;
        Ok(Fact { value, provenance })
    }

    /// Says whether the layout of a struct is known.
    pub fn has(&self, structure: &str) -> bool {
        self.shape(structure).is_ok()
    }

    /// Says where in the binary the layouts were read first, whatever the reference tables added to them.
    pub fn source(&self) -> LayoutSource {
        let found = self.structs.values().flatten();
        let found: Vec<LayoutSource> = found.map(|&(_, provenance)| provenance.into()).collect();
        // Type descriptors also fill in what debugging information leaves out.
        let sources = [
            LayoutSource::Dwarf5,
            LayoutSource::Dwarf4,
            LayoutSource::TypeDescriptors,
        ];
        let first = sources.into_iter().find(|source| found.contains(source));
        first.unwrap_or(LayoutSource::None)
    }

    fn shape(&self, structure: &str) -> Result<(usize, Provenance), Reason> {
        self.structs
            .get(structure)
            .cloned()
            .unwrap_or(Err(Reason::NotRequested))
    }

    /// Answers every question with the same reason.
    pub(crate) fn unknown(wanted: &[&str], reason: &Reason) -> Self {
        let structs = wanted
            .iter()
            .map(|&name| (name.to_owned(), Err(reason.clone())))
            .collect();
        Self {
            shapes: Shapes::default(),
            structs,
        }
    }

    /// Fills in what is missing from the reference tables, and says why a row is missing there.
    ///
    /// A struct whose definitions disagree stays unknown.
    pub(crate) fn complete(&mut self, table: &StructTable<'_>, budget: &Budget) {
        let missing: Vec<(String, Reason)> = self
            .structs
            .iter()
            .filter_map(|(name, found)| Some((name.clone(), found.as_ref().err()?.clone())))
            .collect();
        let mut kept = budget.answer();
        for (name, reason) in missing {
            let Some(key) = table.find(&name) else {
                continue;
            };
            let shape = key.and_then(|key| self.shapes.same(&[key], table, &mut kept));
            let answer = shape.map(|shape| (shape, table.provenance(&[])));
            let takes = match reason {
                Reason::NoDescriptor | Reason::NoModuleData | Reason::UnsupportedVersion { .. } => {
                    true
                }
                Reason::Ambiguous { .. } => false,
                // What debugging information leaves out (up to go1.18 the type of `runtime.work` has no
                // name there), or could not be read: that says more than a missing row.
                _ => answer.is_ok(),
            };
            if takes {
                self.structs.insert(name, answer);
            }
        }
    }

    /// Lists the structs that no source has told of so far; those whose definitions disagree are not missing.
    pub(crate) fn missing(&self) -> Vec<String> {
        let is_missing = |found: &Result<_, Reason>| {
            found
                .as_ref()
                .is_err_and(|reason| !matches!(reason, Reason::Ambiguous { .. }))
        };
        let missing = self.structs.iter().filter(|(_, found)| is_missing(found));
        missing.map(|(name, _)| name.clone()).collect()
    }

    /// Reads the structs found in one source, and all they hold by value.
    pub(crate) fn add(&mut self, found: &Found, source: &impl TypeSource, budget: &Budget) {
        let mut answer = budget.answer();
        for (name, keys) in found.iter().filter(|(_, keys)| !keys.is_empty()) {
            let shape = self.shapes.same(keys, source, &mut answer);
            let shape = shape.map(|shape| (shape, source.provenance(keys)));
            self.structs.insert(name.clone(), shape);
        }
    }
}

/// What remembering the key of a definition costs.
const KEY_BYTES: u64 = 8;

/// The keys of the definitions found for each wanted name.
pub(crate) type Found = HashMap<String, Vec<u64>>;

/// Reads the definition of a type from bytes; keys are offsets or addresses, marked so that no two sources
/// have one in common.
pub(crate) trait TypeSource {
    /// Reads a struct, through any number of other names; `None` when the type is something else.
    fn structure(&self, key: u64, answer: &mut Allowance<'_>) -> Result<Option<RawStruct>, Reason>;
    /// Says what it means when a name was not found.
    fn missing(&self) -> Reason;
    /// Says where these definitions stand.
    fn provenance(&self, keys: &[u64]) -> Provenance;
}

/// A struct as its source states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawStruct {
    pub(crate) size: u32,
    pub(crate) fields: Vec<RawField>,
}

/// A field and the key of its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawField {
    pub(crate) name: String,
    pub(crate) offset: u32,
    pub(crate) ty: Option<u64>,
}

impl RawField {
    /// What a field of this name costs in memory, charged before it is kept.
    pub(crate) fn cost(name: &str) -> u64 {
        (name.len() as u64).saturating_add(112)
    }
}
