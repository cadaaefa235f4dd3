//! /proc/PID/maps: where the main executable lies in memory.

/// One mapping of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// Address after the last.
    pub end: u64,
    /// Offset in the file.
    pub offset: u64,
    /// Inode of the file; never 0 here.
    pub inode: u64,
}

/// All mappings of files; lines of another form are passed over.
#[must_use]
pub fn mappings(content: &[u8]) -> Vec<Mapping> {
    content
        .split(|byte| *byte == b'\n')
        .filter_map(mapping)
        .collect()
}

/// Takes `START-END PERMISSIONS OFFSET DEVICE INODE PATH` apart; the path may hold any bytes.
fn mapping(line: &[u8]) -> Option<Mapping> {
    let mut fields = line
        .split(|byte| *byte == b' ')
        .filter(|field| !field.is_empty())
        .map(|field| std::str::from_utf8(field).ok());
    let (start, end) = fields.next()??.split_once('-')?;
    let _permissions = fields.next()?;
    let offset = fields.next()??;
    let _device = fields.next()?;
    let inode: u64 = fields.next()??.parse().ok()?;
    let mapping = Mapping {
        start: u64::from_str_radix(start, 16).ok()?,
        end: u64::from_str_radix(end, 16).ok()?,
        offset: u64::from_str_radix(offset, 16).ok()?,
        inode,
    };
    (inode != 0 && mapping.start < mapping.end).then_some(mapping)
}

/// Size of the smallest page; segments begin at multiples of it.
const PAGE: u64 = 4096;

/// What to add to an address in the file to get the address in the process.
///
/// `first_segment` is the virtual address of the first loaded segment in the file. The device is not
/// compared: overlay file systems show another one in maps than stat tells.
#[must_use]
pub fn load_base(mappings: &[Mapping], inode: u64, first_segment: u64) -> Option<u64> {
    let lowest = mappings
        .iter()
        .filter(|mapping| mapping.inode == inode)
        .map(|mapping| mapping.start)
        .min()?;
    lowest.checked_sub(first_segment & !(PAGE - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAPS: &[u8] = b"\
00400000-004d1000 r-xp 00000000 08:01 77 /srv/a b (deleted)
004d1000-005c0000 r--p 000d1000 08:01 77 /srv/a b (deleted)
c000000000-c000400000 rw-p 00000000 00:00 0
7f0000001000-7f0000002000 r--p 00000000 08:01 99 /lib/\xff
nonsense
";

    #[test]
    fn the_lowest_mapping_of_the_file_gives_the_base() {
        let maps = mappings(MAPS);
        assert_eq!(maps.len(), 3);
        assert_eq!(load_base(&maps, 77, 0x40_0000), Some(0));
        assert_eq!(load_base(&maps, 99, 0), Some(0x7f00_0000_1000));
        assert_eq!(load_base(&maps, 99, 0x238), Some(0x7f00_0000_1000));
        assert_eq!(load_base(&maps, 12, 0), None);
        assert_eq!(load_base(&maps, 77, u64::MAX), None);
    }

    proptest! {
        #[test]
        fn any_bytes_give_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for mapping in mappings(&bytes) {
                prop_assert!(mapping.start < mapping.end);
            }
        }
    }
}
