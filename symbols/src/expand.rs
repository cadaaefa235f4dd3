//! Sections as the toolchain wrote them, expanded when compressed.

use std::borrow::Cow;
use std::io::Read as _;

use flate2::read::ZlibDecoder;

use crate::bytes;
use crate::error::Reason;
use crate::image::Image;

/// Size of `Elf64_Chdr`.
const CHDR: usize = 24;
/// `ELFCOMPRESS_ZLIB`.
const ZLIB: u32 = 1;
/// Room made before the first byte is expanded, as a multiple of the stream; more must be earned by real bytes.
const FIRST_ROOM: usize = 8;

/// Reads a section of debugging information in any of its three forms; empty when the binary has none.
///
/// # Units       `most` bytes may come out of compression
pub(crate) fn debug_section<'d>(
    image: &Image<'d>,
    name: &'static str,
    most: u64,
) -> Result<Cow<'d, [u8]>, Reason> {
    let suffix = name.strip_prefix(".debug").unwrap_or(name);
    for section in &image.sections {
        if section.name == name.as_bytes() {
            return if section.compressed {
                expand_chdr(section.data, name, most)
            } else {
                Ok(Cow::Borrowed(section.data))
            };
        }
        if section.name.strip_prefix(b".zdebug") == Some(suffix.as_bytes()) {
            return expand_zdebug(section.data, name, most);
        }
    }
    Ok(Cow::Borrowed(&[]))
}

/// Expands a section that begins with an `Elf64_Chdr`.
fn expand_chdr<'d>(
    data: &'d [u8],
    section: &'static str,
    most: u64,
) -> Result<Cow<'d, [u8]>, Reason> {
    let torn = Reason::Malformed { section, offset: 0 };
    let method = bytes::u32_at(data, 0).ok_or_else(|| torn.clone())?;
    let size = bytes::u64_at(data, 8).ok_or_else(|| torn.clone())?;
    if method != ZLIB {
        return Err(Reason::Compression { section, method });
    }
    inflate(data.get(CHDR..).ok_or(torn)?, size, section, most)
}

/// Expands a section in the older form: `ZLIB`, the size, the stream.
fn expand_zdebug<'d>(
    data: &'d [u8],
    section: &'static str,
    most: u64,
) -> Result<Cow<'d, [u8]>, Reason> {
    let torn = Reason::Malformed { section, offset: 0 };
    let Some(rest) = data.strip_prefix(b"ZLIB") else {
        return Ok(Cow::Borrowed(data));
    };
    let size = bytes::array(rest, 0)
        .map(u64::from_be_bytes)
        .ok_or_else(|| torn.clone())?;
    inflate(rest.get(8..).ok_or(torn)?, size, section, most)
}

fn inflate<'d>(
    stream: &[u8],
    size: u64,
    section: &'static str,
    most: u64,
) -> Result<Cow<'d, [u8]>, Reason> {
    if size > most {
        return Err(Reason::Limit {
            what: "bytes in an expanded section",
            limit: most,
        });
    }
    let room = stream.len().saturating_mul(FIRST_ROOM);
    let capacity = usize::try_from(size).unwrap_or(0).min(room);
    let mut expanded = Vec::with_capacity(capacity);
    let malformed = |expanded: &Vec<u8>| Reason::Malformed {
        section,
        offset: expanded.len() as u64,
    };
    if ZlibDecoder::new(stream)
        .take(size)
        .read_to_end(&mut expanded)
        .is_err()
        || expanded.len() as u64 != size
    {
        return Err(malformed(&expanded));
    }
    Ok(Cow::Owned(expanded))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::ZlibEncoder};

    use super::*;
    use crate::budget::MAX_EXPANDED;

    fn chdr(method: u32, size: u64, content: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        let mut section = vec![0; 24];
        section[..4].copy_from_slice(&method.to_le_bytes());
        section[8..16].copy_from_slice(&size.to_le_bytes());
        section.extend(encoder.finish().unwrap());
        section
    }

    #[test]
    fn both_forms_expand() {
        let section = chdr(ZLIB, 5, b"hello");
        assert_eq!(
            expand_chdr(&section, "s", MAX_EXPANDED).unwrap(),
            &b"hello"[..]
        );
        let old = [b"ZLIB", &5_u64.to_be_bytes()[..], &section[24..]].concat();
        assert_eq!(
            expand_zdebug(&old, "s", MAX_EXPANDED).unwrap(),
            &b"hello"[..]
        );
    }

    #[test]
    fn lies_about_size_or_method_are_refused() {
        assert_eq!(
            expand_chdr(&chdr(ZLIB, 6, b"hello"), "s", MAX_EXPANDED),
            Err(Reason::Malformed {
                section: "s",
                offset: 5
            })
        );
        assert_eq!(
            expand_chdr(&chdr(2, 5, b"hello"), "s", MAX_EXPANDED),
            Err(Reason::Compression {
                section: "s",
                method: 2
            })
        );
        let huge = expand_chdr(&chdr(ZLIB, u64::MAX, b"hello"), "s", MAX_EXPANDED).unwrap_err();
        assert_eq!(huge.error_type(), "limit");
        let bomb = expand_chdr(&chdr(ZLIB, MAX_EXPANDED, b"hello"), "s", MAX_EXPANDED).unwrap_err();
        assert_eq!(bomb.error_type(), "malformed");
        assert_eq!(
            expand_chdr(&[1, 0, 0], "s", MAX_EXPANDED)
                .unwrap_err()
                .error_type(),
            "malformed"
        );
    }
}
