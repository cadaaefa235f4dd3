//! Sections as the toolchain wrote them, expanded into the caller's [`Scratch`] when compressed.
//!
//! Expanding takes a decoder's window and one buffer of memory, however long the section is.

use std::fmt;
use std::io::{self, Read, Write};

use flate2::read::ZlibDecoder;
use ruzstd::decoding::StreamingDecoder;

use crate::budget::{Budget, MAX_RATIO};
use crate::bytes;
use crate::error::Reason;
use crate::image::{Image, Section};
use crate::scratch::{Kept, Scratch};

/// Size of `Elf64_Chdr`.
const CHDR: usize = 24;
/// `ELFCOMPRESS_ZLIB` and `ELFCOMPRESS_ZSTD`.
const ZLIB: u32 = 1;
const ZSTD: u32 = 2;
/// Bytes handed to the scratch at once.
const PIECE: usize = 64 * 1024;
/// Largest window of a zstd frame, the least that its format asks decoders to take.
const WINDOW: u64 = 8 << 20;

/// The bytes of a section: those of the file, or expanded ones.
pub(crate) enum Content<'d> {
    File(&'d [u8]),
    Kept(Kept),
}

impl Content<'_> {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::File(data) => data,
            Self::Kept(kept) => (**kept).as_ref(),
        }
    }
}

impl fmt::Debug for Content<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.bytes().len())
    }
}

/// Reads a section of debugging information in any of its three forms; empty when the binary has none.
pub(crate) fn debug_section<'d>(
    image: &Image<'d>,
    name: &'static str,
) -> Result<Content<'d>, Reason> {
    let suffix = name.strip_prefix(".debug").unwrap_or(name);
    let is_old =
        |section: &Section<'_>| section.name.strip_prefix(b".zdebug") == Some(suffix.as_bytes());
    let sections = &image.sections;
    if let Some(plain) = sections
        .iter()
        .find(|section| section.name == name.as_bytes())
    {
        if !plain.compressed {
            return Ok(Content::File(plain.data));
        }
        let stream = Stream::of_chdr(plain.data, name)?;
        return stream.expand(&image.budget, image.scratch);
    }
    let Some(old) = sections.iter().find(|section| is_old(section)) else {
        return Ok(Content::File(&[]));
    };
    match Stream::of_zdebug(old.data, name)? {
        Some(stream) => stream.expand(&image.budget, image.scratch),
        None => Ok(Content::File(old.data)),
    }
}

/// Compressed bytes of a section and the size it says it has.
struct Stream<'d> {
    section: &'static str,
    method: u32,
    size: u64,
    data: &'d [u8],
}

impl<'d> Stream<'d> {
    /// Reads a section that begins with an `Elf64_Chdr`.
    fn of_chdr(data: &'d [u8], section: &'static str) -> Result<Self, Reason> {
        let read = || {
            Some(Self {
                section,
                method: bytes::u32_at(data, 0)?,
                size: bytes::u64_at(data, 8)?,
                data: data.get(CHDR..)?,
            })
        };
        read().ok_or(Reason::Malformed { section, offset: 0 })
    }

    /// Reads a section in the older form: `ZLIB`, the size, the stream; `None` when it is not compressed.
    fn of_zdebug(data: &'d [u8], section: &'static str) -> Result<Option<Self>, Reason> {
        let Some(rest) = data.strip_prefix(b"ZLIB") else {
            return Ok(None);
        };
        let read = || {
            Some(Self {
                section,
                method: ZLIB,
                size: bytes::array(rest, 0).map(u64::from_be_bytes)?,
                data: rest.get(8..)?,
            })
        };
        read()
            .map(Some)
            .ok_or(Reason::Malformed { section, offset: 0 })
    }

    fn expand(&self, budget: &Budget, scratch: &dyn Scratch) -> Result<Content<'d>, Reason> {
        let most = (self.data.len() as u64).saturating_mul(MAX_RATIO);
        if self.size > most.saturating_add(PIECE as u64) {
            return Err(Reason::Limit {
                what: "times the compressed size of a section",
                limit: MAX_RATIO,
            });
        }
        let mut why = None;
        let kept = scratch.keep(self.size, &mut |writer| self.copy(budget, writer, &mut why));
        match (kept, why) {
            (Ok(kept), None) if (*kept).as_ref().len() as u64 == self.size => {
                Ok(Content::Kept(kept))
            }
            (_, Some(reason)) => Err(reason),
            (Ok(_), None) => Err(self.scratch_failed(io::ErrorKind::InvalidData)),
            (Err(error), None) => Err(self.scratch_failed(error.kind())),
        }
    }

    /// Expands into the writer; a reason that is not the writer's is left in `why`.
    fn copy(
        &self,
        budget: &Budget,
        writer: &mut dyn Write,
        why: &mut Option<Reason>,
    ) -> io::Result<()> {
        let mut give_up = |reason| {
            *why = Some(reason);
            Err(io::ErrorKind::InvalidData.into())
        };
        let mut decoder: Box<dyn Read + '_> = match self.method {
            ZLIB => Box::new(ZlibDecoder::new(self.data)),
            ZSTD => match StreamingDecoder::new_with_max_window_size(self.data, WINDOW) {
                Ok(decoder) => Box::new(decoder),
                Err(_cause) => return give_up(self.malformed(0)),
            },
            method => {
                return give_up(Reason::Compression {
                    section: self.section,
                    method,
                });
            }
        };
        let mut piece = vec![0; PIECE];
        let mut left = self.size;
        while left > 0 {
            let room = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
            let read = decoder.read(piece.get_mut(..room).unwrap_or_default());
            let Some(bytes) = read.ok().and_then(|length| piece.get(..length)) else {
                return give_up(self.malformed(left));
            };
            if bytes.is_empty() {
                return give_up(self.malformed(left));
            }
            if let Err(exhausted) = budget.expand(bytes.len()) {
                return give_up(exhausted.into());
            }
            writer.write_all(bytes)?;
            left = left.saturating_sub(bytes.len() as u64);
        }
        Ok(())
    }

    fn malformed(&self, left: u64) -> Reason {
        Reason::Malformed {
            section: self.section,
            offset: self.size.saturating_sub(left),
        }
    }

    fn scratch_failed(&self, kind: io::ErrorKind) -> Reason {
        Reason::Scratch {
            section: self.section,
            kind,
        }
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Compression, write::ZlibEncoder};

    use super::*;
    use crate::budget::Limits;
    use crate::scratch::MemoryScratch;

    fn chdr(method: u32, size: u64, stream: &[u8]) -> Vec<u8> {
        let mut section = vec![0; CHDR];
        section[..4].copy_from_slice(&method.to_le_bytes());
        section[8..16].copy_from_slice(&size.to_le_bytes());
        section.extend(stream);
        section
    }

    fn zlib(content: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(content: &[u8]) -> Vec<u8> {
        let level = ruzstd::encoding::CompressionLevel::Fastest;
        ruzstd::encoding::compress_to_vec(content, level)
    }

    /// Bytes that no method makes much smaller.
    fn noise(length: u32) -> Vec<u8> {
        (0..length)
            .map(|at| at.wrapping_mul(0x9e37_79b1).to_be_bytes()[0])
            .collect()
    }

    fn expand(section: &[u8], limits: Limits) -> Result<Vec<u8>, Reason> {
        let stream = Stream::of_chdr(section, "s")?;
        let content = stream.expand(&Budget::new(limits), &MemoryScratch::default())?;
        Ok(content.bytes().to_vec())
    }

    #[test]
    fn all_forms_expand() {
        let content = noise(300_000);
        let size = content.len() as u64;
        for (method, stream) in [(ZLIB, zlib(&content)), (ZSTD, zstd(&content))] {
            let section = chdr(method, size, &stream);
            assert_eq!(expand(&section, Limits::default()).unwrap(), content);
        }
        let old = [b"ZLIB", &size.to_be_bytes()[..], &zlib(&content)].concat();
        let stream = Stream::of_zdebug(&old, "s").unwrap().unwrap();
        let budget = Budget::new(Limits::default());
        let expanded = stream.expand(&budget, &MemoryScratch::default());
        assert_eq!(expanded.unwrap().bytes(), content);
        assert_eq!(budget.spent().expanded_bytes, size);
    }

    #[test]
    fn lies_about_size_or_method_are_refused() {
        let reason = |method, size, stream: &[u8]| {
            expand(&chdr(method, size, stream), Limits::default()).unwrap_err()
        };
        let (hello, torn) = (
            zlib(b"hello"),
            Reason::Malformed {
                section: "s",
                offset: 5,
            },
        );
        assert_eq!(reason(ZLIB, 6, &hello), torn);
        assert_eq!(reason(ZSTD, 6, &zstd(b"hello")), torn);
        assert_eq!(reason(ZSTD, 5, &hello).error_type(), "malformed");
        let ratio = "times the compressed size of a section";
        assert_eq!(
            reason(ZLIB, u64::MAX, &hello),
            Reason::Limit {
                what: ratio,
                limit: MAX_RATIO
            }
        );
        let unknown = Reason::Compression {
            section: "s",
            method: 3,
        };
        assert_eq!(reason(3, 5, &hello), unknown);
        let short = Stream::of_chdr(&[1, 0, 0], "s").err().unwrap();
        assert_eq!(short.error_type(), "malformed");
    }

    #[test]
    fn expanding_ends_with_the_budget() {
        let stream = zlib(&noise(1 << 20));
        let limits = Limits {
            expanded_bytes: 1 << 19,
            ..Limits::default()
        };
        let reason = expand(&chdr(ZLIB, 1 << 20, &stream), limits).unwrap_err();
        let what = "expanded bytes";
        assert_eq!(
            reason,
            Reason::Limit {
                what,
                limit: 1 << 19
            }
        );
    }

    #[test]
    fn a_scratch_without_room_is_the_reason() {
        let stream = zlib(b"hello");
        let section = chdr(ZLIB, 5, &stream);
        let stream = Stream::of_chdr(&section, "s").unwrap();
        let budget = Budget::new(Limits::default());
        let full = stream.expand(&budget, &MemoryScratch { most: 4 });
        let kind = io::ErrorKind::StorageFull;
        assert_eq!(full.unwrap_err(), Reason::Scratch { section: "s", kind });
    }
}
