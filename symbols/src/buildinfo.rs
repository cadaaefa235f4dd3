//! The build information blob: Go version and module text, in both its forms.

use crate::budget::{Exhausted, MAX_BUILD_INFO};
use crate::bytes;
use crate::error::Error;
use crate::image::Image;
use crate::modinfo::BuildInfo;
use crate::version::GoVersion;

const MAGIC: &[u8] = b"\xff Go buildinf:";
const ALIGN: usize = 16;
const HEADER: usize = 32;
/// Version and text follow inline, since go1.18.
const FLAG_INLINE: u8 = 2;
/// Markers of this length stand around the module text.
const SENTINEL: usize = 16;
/// A version text with experiments and vendor notes is far shorter.
const MAX_VERSION: u64 = 1024;

/// Reads the Go version and the module text.
pub(crate) fn read(image: &Image<'_>) -> Result<(GoVersion, BuildInfo), Error> {
    let (address, blob) = find(image)?.ok_or(Error::NotGo)?;
    let malformed = || Error::Malformed {
        section: ".go.buildinfo",
        offset: image.file_offset(address).unwrap_or(0),
    };
    let flags = bytes::u8_at(blob, 15).ok_or_else(malformed)?;
    let (version, text) = if flags & FLAG_INLINE != 0 {
        inline(blob)
    } else {
        pointers(image, address, blob)
    }
    .ok_or_else(malformed)?;
    let version = GoVersion::parse(&String::from_utf8_lossy(version))?;
    let info = BuildInfo::parse(&String::from_utf8_lossy(strip_sentinels(text)));
    Ok((version, info))
}

/// Reads the version from the string variable `runtime.buildVersion`, where the blob was taken away.
pub(crate) fn version_variable(image: &Image<'_>, address: u64) -> Result<GoVersion, Error> {
    let text = || {
        let length = image.word(address.checked_add(8)?)?;
        image.bytes(image.word(address)?, length.min(MAX_VERSION))
    };
    let text = text().ok_or(Error::NoRelease)?;
    GoVersion::parse(&String::from_utf8_lossy(text))
}

/// Finds the blob and its address by its section, else by its header in the writable data.
///
/// Read-only data is not searched: programs that read Go binaries carry the magic there.
fn find<'d>(image: &Image<'d>) -> Result<Option<(u64, &'d [u8])>, Exhausted> {
    let section = image.go_section(".go.buildinfo");
    if let Some(found) = section.and_then(|section| blob_in(section.address, section.data)) {
        return Ok(Some(found));
    }
    let parts = image.loaded(|segment| segment.writable && !segment.executable)?;
    let mut parts = parts.into_iter();
    Ok(parts.find_map(|(address, bytes)| blob_in(address, bytes)))
}

/// Finds the blob in bytes loaded at `start`.
fn blob_in(start: u64, bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut places = bytes::find_aligned(bytes, start, MAGIC, ALIGN);
    let at = places.find(|&at| bytes.get(at..).is_some_and(is_header))?;
    Some((
        start.checked_add(u64::try_from(at).ok()?)?,
        bytes.get(at..)?,
    ))
}

/// Checks the bytes behind the magic: pointers of 8 bytes, known flags.
fn is_header(blob: &[u8]) -> bool {
    bytes::u8_at(blob, 14) == Some(8) && bytes::u8_at(blob, 15).is_some_and(|flags| flags <= 3)
}

fn inline(blob: &[u8]) -> Option<(&[u8], &[u8])> {
    let (version, next) = inline_string(blob, HEADER)?;
    let (text, _) = inline_string(blob, next)?;
    Some((version, text))
}

fn inline_string(blob: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let (length, size) = bytes::varint(blob, at)?;
    let start = at.checked_add(size)?;
    let end = start.checked_add(usize::try_from(length).ok()?)?;
    (u64::from(length) <= MAX_BUILD_INFO).then_some((blob.get(start..end)?, end))
}

/// Reads the form of go1.17: addresses of two string headers.
fn pointers<'d>(image: &Image<'d>, base: u64, blob: &[u8]) -> Option<(&'d [u8], &'d [u8])> {
    // Only little-endian pointers occur in the files the crate reads.
    if bytes::u8_at(blob, 15)? & 1 != 0 {
        return None;
    }
    let string = |at: u64| {
        let header = image.word(base.checked_add(at)?)?;
        if header == 0 {
            return Some(&[][..]);
        }
        let length = image.word(header.checked_add(8)?)?;
        if length == 0 || length > MAX_BUILD_INFO {
            return (length == 0).then_some(&[][..]);
        }
        image.bytes(image.word(header)?, length)
    };
    Some((string(16)?, string(24)?))
}

/// Takes the markers off the module text; a text without them was not written by the toolchain.
fn strip_sentinels(text: &[u8]) -> &[u8] {
    let end = text.len().saturating_sub(SENTINEL);
    let inner = text.get(SENTINEL..end).unwrap_or_default();
    if inner.ends_with(b"\n") { inner } else { &[] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inline_strings_end_inside_the_blob() {
        let mut blob = vec![0; HEADER];
        blob.extend(b"\x08go1.26.8\x00");
        assert_eq!(inline(&blob), Some((&b"go1.26.8"[..], &b""[..])));
        blob[HEADER] = 0x7f;
        assert_eq!(inline(&blob), None);
        assert_eq!(inline(&blob[..HEADER]), None);
    }

    #[test]
    fn text_without_markers_is_ignored() {
        let marked = [&[1; 16][..], b"path\tx\n", &[2; 16]].concat();
        assert_eq!(strip_sentinels(&marked), b"path\tx\n");
        assert_eq!(strip_sentinels(b"path\tx\n"), b"");
    }
}
