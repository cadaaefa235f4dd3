//! Where the function table is.

use super::Pclntab;
use super::header::Header;
use crate::budget::MAX_TABLES;
use crate::error::Reason;
use crate::image::Image;
use crate::moduledata::ModuleData;

/// A function table, and the module data that names it.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) address: u64,
    pub(crate) module: Result<ModuleData, Reason>,
}

impl Pclntab<'_> {
    /// Finds the table by its section, else by a header that makes sense and that module data names.
    ///
    /// A program may carry other Go programs as data. Their headers make sense too, but nothing in this
    /// program names the addresses at which they lie.
    pub(crate) fn place(image: &Image<'_>) -> Result<Place, Reason> {
        let is_table = |data: &[u8]| Header::read(data).is_some();
        let section = image.go_section(".gopclntab");
        let stated = section.map(|section| section.address);
        if let Some(address) = stated.filter(|&at| image.tail(at).is_some_and(is_table)) {
            let module = ModuleData::find(image, address);
            return Ok(Place { address, module });
        }
        let parts = image.loaded(|segment| !segment.executable)?;
        let candidates = parts.into_iter().flat_map(|(start, data)| {
            let places = (0..data.len()).step_by(8);
            let tables = places.filter(move |&at| data.get(at..).is_some_and(is_table));
            tables.filter_map(move |at| start.checked_add(at as u64))
        });
        for (number, address) in candidates.enumerate() {
            if number >= MAX_TABLES {
                return Err(Reason::Limit {
                    what: "function tables",
                    limit: MAX_TABLES as u64,
                });
            }
            match ModuleData::find(image, address) {
                Err(Reason::NoModuleData) => {}
                Err(reason) => return Err(reason),
                module => return Ok(Place { address, module }),
            }
        }
        Err(Reason::NoFunctionTable)
    }
}
