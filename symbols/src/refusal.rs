//! Why a file that may hold a Go program cannot be read as one: packed, or obfuscated.

use crate::bytes;
use crate::error::Error;
use crate::image::Image;

/// The mark of UPX: in the record behind the program headers, and in the one at the end of the file.
const UPX: &[u8] = b"UPX!";
/// How far from the ends of the file these records lie.
///
/// # Source     `l_info` and `PackHeader` of UPX 3 and 4 for Linux
const UPX_HEAD: usize = 1024;
const UPX_TAIL: usize = 64;
/// What garble writes in place of the Go version.
const NO_VERSION: &str = "unknown";

/// Names the packer that compressed the program.
pub(crate) fn packer(data: &[u8]) -> Option<&'static str> {
    let head = data.get(..UPX_HEAD.min(data.len()))?;
    let tail = data.get(data.len().saturating_sub(UPX_TAIL)..)?;
    let bears = |part: &[u8]| part.windows(UPX.len()).any(|window| window == UPX);
    (bears(head) || bears(tail)).then_some("upx")
}

/// Refuses a program whose function table was rewritten, or whose version was taken for that purpose.
pub(crate) fn obfuscated(image: &Image<'_>, version: &str) -> Option<Error> {
    let table = image.go_section(".gopclntab").map(|section| section.data);
    let sign = match table.and_then(foreign_magic) {
        Some(magic) => format!("its function table begins with {magic:#010x}"),
        None if version == NO_VERSION => format!("its go version reads {version:?}"),
        None => return None,
    };
    Some(Error::Obfuscated { sign })
}

/// Reads the first word of a function table that is one in all but this word.
///
/// The toolchain's own words have ones in the upper bytes, in every generation.
fn foreign_magic(table: &[u8]) -> Option<u32> {
    let magic = bytes::u32_at(table, 0)?;
    let [zero, also_zero, quantum, pointer] = bytes::array(table, 4)?;
    let is_table = (zero, also_zero, pointer) == (0, 0, 8) && matches!(quantum, 1 | 4);
    (is_table && magic < 0xffff_ff00).then_some(magic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_of_upx_counts_only_where_upx_puts_it() {
        let mut file = vec![0; 8192];
        assert_eq!(packer(&file), None);
        file[4096..4100].copy_from_slice(UPX);
        assert_eq!(packer(&file), None);
        file[0xec..0xf0].copy_from_slice(UPX);
        assert_eq!(packer(&file), Some("upx"));
        assert_eq!(
            packer(&[&[0; 8192][..], UPX, &[0; 32]].concat()),
            Some("upx")
        );
        assert_eq!(packer(b""), None);
    }

    #[test]
    fn the_magics_of_the_toolchain_are_not_foreign() {
        let table = |magic: u32| [&magic.to_le_bytes()[..], &[0, 0, 1, 8]].concat();
        assert_eq!(foreign_magic(&table(0x6333_c187)), Some(0x6333_c187));
        for generation in [0xffff_fffa, 0xffff_fff0, 0xffff_fff1, 0xffff_fff2] {
            assert_eq!(foreign_magic(&table(generation)), None);
        }
        assert_eq!(foreign_magic(&[0; 8]), None);
        assert_eq!(foreign_magic(&table(0)[..7]), None);
    }
}
