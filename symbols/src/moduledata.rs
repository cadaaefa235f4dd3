//! The runtime's module data: where text, types and their indexes are.

use crate::error::Reason;
use crate::functions::Pclntab;
use crate::image::Image;
use crate::version::GoVersion;

/// Offsets in `runtime.moduledata` that are the same in go1.17 to go1.27.
const MINPC: u64 = 160;
const TEXT: u64 = 176;
const ETEXT: u64 = 184;

/// What the crate uses of `runtime.moduledata`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ModuleData {
    /// Address of the structure.
    pub(crate) address: u64,
    /// Start of the text.
    pub(crate) text: u64,
}

/// Where type descriptors are and how to enumerate them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TypeSection {
    /// First address of the section; type, name and text offsets count from here.
    pub(crate) start: u64,
    /// First address behind it.
    pub(crate) end: u64,
    /// How its descriptors are found.
    pub(crate) roots: TypeRoots,
}

/// The two ways in which releases list their descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TypeRoots {
    /// Up to go1.26: offsets of some descriptors, and interface tables that name two more each.
    Links {
        /// Array of `i32` offsets from the section start.
        types: (u64, u64),
        /// Array of pointers to interface tables.
        tables: (u64, u64),
    },
    /// go1.27: the same descriptors lie back to back, and so do the interface tables.
    Sequence {
        /// First address behind the descriptors.
        types_end: u64,
        /// First address of the interface tables, and the first behind them.
        tables: (u64, u64),
    },
}

impl ModuleData {
    /// Finds the structure by its section, else by its first word, the address of the function table.
    pub(crate) fn find(image: &Image<'_>, pclntab: u64) -> Result<Self, Reason> {
        let check = |address| Self::check(image, address, pclntab);
        let section = image.go_section(".go.module");
        if let Some(found) = section.and_then(|section| check(section.address)) {
            return Ok(found);
        }
        image.find_word(pclntab, check)?.ok_or(Reason::NoModuleData)
    }

    fn check(image: &Image<'_>, address: u64, pclntab: u64) -> Option<Self> {
        let word = |at: u64| image.word(address.checked_add(at)?);
        let (text, etext, minpc) = (word(TEXT)?, word(ETEXT)?, word(MINPC)?);
        // The header states the start of the text too, up to go1.25.
        let stated = Pclntab::stated_text(image, pclntab);
        // The runtime writes here; and a program that is carried as data may have tables at the same address.
        let sane = word(0)? == pclntab
            && image.is_writable(address)
            && text != 0
            && text <= minpc
            && minpc < etext
            && stated.is_none_or(|stated| stated == text)
            && image.is_code(text)
            && image.is_code(etext.checked_sub(1)?);
        sane.then_some(Self { address, text })
    }

    /// Reads the place of the type descriptors.
    ///
    /// # Source     runtime/symtab.go of go1.17 to go1.27
    pub(crate) fn types(
        &self,
        image: &Image<'_>,
        version: &GoVersion,
    ) -> Result<TypeSection, Reason> {
        let unsupported = || Reason::UnsupportedVersion {
            what: "type descriptors",
            version: version.to_string(),
        };
        if version.major != 1 {
            return Err(unsupported());
        }
        let (types, links) = match version.minor {
            17 => (280, Some(320)),
            18 | 19 => (280, Some(336)),
            20..=25 => (296, Some(352)),
            26 => (296, Some(360)),
            27 => (296, None),
            _ => return Err(unsupported()),
        };
        let malformed = Reason::Malformed {
            section: "moduledata",
            offset: self.address,
        };
        self.read_types(image, types, links).ok_or(malformed)
    }

    /// Reads the address from which functions count the offsets of their data: `gofunc`, since go1.18.
    ///
    /// # Source     runtime/symtab.go of go1.18 to go1.27
    pub(crate) fn function_data(
        &self,
        image: &Image<'_>,
        version: &GoVersion,
    ) -> Result<u64, Reason> {
        let at = match (version.major, version.minor) {
            (1, 18 | 19) => 304,
            (1, 20..=26) => 320,
            (1, 27) => 344,
            _ => {
                return Err(Reason::UnsupportedVersion {
                    what: "data of functions",
                    version: version.to_string(),
                });
            }
        };
        let address = self.address.checked_add(at);
        let start = address.and_then(|address| image.word(address));
        start
            .filter(|&start| image.tail(start).is_some())
            .ok_or(Reason::Malformed {
                section: "moduledata",
                offset: self.address,
            })
    }

    fn read_types(&self, image: &Image<'_>, types: u64, links: Option<u64>) -> Option<TypeSection> {
        let word = |at: u64| image.word(self.address.checked_add(at)?);
        let at = |step: u64| types.checked_add(step);
        let start = word(types)?;
        let (end, roots) = match links {
            Some(links) => {
                let slice = |at: u64| {
                    let (first, length, capacity) = (
                        word(at)?,
                        word(at.checked_add(8)?)?,
                        word(at.checked_add(16)?)?,
                    );
                    (length == capacity).then_some((first, length))
                };
                let roots = TypeRoots::Links {
                    types: slice(links)?,
                    tables: slice(links.checked_add(24)?)?,
                };
                (word(at(8)?)?, roots)
            }
            None => {
                let tables = start.checked_add(word(at(24)?)?)?;
                let roots = TypeRoots::Sequence {
                    types_end: start.checked_add(word(at(8)?)?)?,
                    tables: (tables, tables.checked_add(word(at(32)?)?)?),
                };
                (word(at(16)?)?, roots)
            }
        };
        let in_order = match roots {
            TypeRoots::Links { .. } => start < end,
            TypeRoots::Sequence { types_end, tables } => {
                start < types_end && types_end <= end && tables.1 <= end
            }
        };
        (in_order && image.tail(start).is_some()).then_some(TypeSection { start, end, roots })
    }
}
