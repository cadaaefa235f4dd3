//! A binary with more debugging information than it had, and the same answers.

use std::io::{self, Write as _};

use flate2::{Compression, write::ZlibEncoder};
use object::{Object as _, ObjectSection as _};

/// Where `sh_offset` and `sh_size` stand in a section header, and how long one is.
const PLACE: std::ops::Range<usize> = 24..40;
const HEADER: usize = 64;

/// Writes the ELF file `data` again, with all units of its compressed `.debug_info` several times.
///
/// References between units count from the section's start: those of a copy name the original. `info` is
/// the expanded section; answers `None` when the file has no such section.
pub(crate) fn repeated(data: &[u8], info: &[u8], copies: u64) -> io::Result<Option<Vec<u8>>> {
    let elf = object::File::parse(data).map_err(io::Error::other)?;
    let Some(section) = elf.section_by_name(".debug_info") else {
        return Ok(None);
    };
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    for _ in 0..copies {
        encoder.write_all(info)?;
    }
    let mut stream = Vec::new();
    // An `Elf64_Chdr`: zlib, the size, the alignment.
    for word in [1, info.len() as u64 * copies, 1] {
        stream.extend(u64::to_le_bytes(word));
    }
    stream.extend(encoder.finish()?);
    let mut written = data.to_vec();
    let place = || {
        let table = data.get(0x28..0x30)?.try_into().ok()?;
        let table = usize::try_from(u64::from_le_bytes(table)).ok()?;
        Some(table + section.index().0 * HEADER)
    };
    let header = place().and_then(|at| written.get_mut(at..)?.get_mut(PLACE));
    let Some((offset, size)) = header.and_then(|header| header.split_at_mut_checked(8)) else {
        return Ok(None);
    };
    offset.copy_from_slice(&(data.len() as u64).to_le_bytes());
    size.copy_from_slice(&(stream.len() as u64).to_le_bytes());
    written.extend(stream);
    Ok(Some(written))
}
