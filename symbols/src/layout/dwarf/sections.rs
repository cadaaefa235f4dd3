//! The sections of debugging information that struct layouts need.
//!
//! Location lists, line tables and ranges are never expanded, and the strings only when an entry of a Go
//! unit has its name there; Go's own toolchain writes names in place.

use std::sync::OnceLock;

use gimli::{DebugInfo, DebugInfoOffset, LittleEndian, UnitHeader};

use super::{INFO, Slice, malformed};
use crate::budget::MAX_NAME;
use crate::bytes;
use crate::error::Reason;
use crate::expand::{Content, debug_section};
use crate::image::Image;

/// Attributes that even the smallest section may have.
const LEAST_ATTRIBUTES: u64 = 1 << 16;

/// The expanded sections of one binary.
#[derive(Debug)]
pub(crate) struct Sections<'d> {
    info: Content<'d>,
    abbrev: Content<'d>,
    strings: OnceLock<Result<Content<'d>, Reason>>,
    line_strings: OnceLock<Result<Content<'d>, Reason>>,
}

impl<'d> Sections<'d> {
    /// Expands what is always needed; `None` when the binary has no debugging information.
    pub(crate) fn expand(image: &Image<'d>) -> Result<Option<Self>, Reason> {
        let info = debug_section(image, INFO)?;
        if info.bytes().is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            info,
            abbrev: debug_section(image, ".debug_abbrev")?,
            strings: OnceLock::new(),
            line_strings: OnceLock::new(),
        }))
    }

    pub(super) fn info(&self) -> DebugInfo<Slice<'_>> {
        DebugInfo::new(self.info.bytes(), LittleEndian)
    }

    /// How many entries and attributes one pass may meet.
    ///
    /// Almost every attribute takes a byte. Those that take none (flags, and values that stand with the
    /// abbreviation) are few, unless a file is made to cost time.
    pub(super) fn attributes(&self) -> u64 {
        let bytes = self.info.bytes().len() as u64;
        bytes.saturating_mul(4).saturating_add(LEAST_ATTRIBUTES)
    }

    /// Reads the header of the unit at `start`.
    pub(super) fn header(&self, start: usize) -> Result<UnitHeader<Slice<'_>>, Reason> {
        let header = self.info().header_from_offset(DebugInfoOffset(start));
        header.map_err(|_cause| malformed(start))
    }

    pub(super) fn abbreviations(&self) -> &[u8] {
        self.abbrev.bytes()
    }

    /// Takes the text at an offset of `.debug_str`.
    pub(super) fn string(&self, image: &Image<'d>, at: usize) -> Result<Option<&str>, Reason> {
        let section = self
            .strings
            .get_or_init(|| debug_section(image, ".debug_str"));
        text(section, at)
    }

    /// Takes the text at an offset of `.debug_line_str`.
    pub(super) fn line_string(&self, image: &Image<'d>, at: usize) -> Result<Option<&str>, Reason> {
        let section = self
            .line_strings
            .get_or_init(|| debug_section(image, ".debug_line_str"));
        text(section, at)
    }
}

fn text<'a>(
    section: &'a Result<Content<'_>, Reason>,
    at: usize,
) -> Result<Option<&'a str>, Reason> {
    let section = section.as_ref().map_err(Reason::clone)?;
    let text = bytes::c_str(section.bytes(), at, MAX_NAME);
    Ok(text.and_then(|text| str::from_utf8(text).ok()))
}
