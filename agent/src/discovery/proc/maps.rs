//! /proc/PID/maps: where the main executable lies in memory.

/// One mapping of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// Address after the last.
    pub end: u64,
    /// Offset in the file.
    pub offset: u64,
    /// Inode of the file; never 0 here.
    pub inode: u64,
    /// Path of the file as the process sees it.
    pub path: String,
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
    let mut rest = line;
    let mut field = || {
        let start = rest.iter().position(|byte| *byte != b' ')?;
        let (_, from_start) = rest.split_at(start);
        let end = from_start.iter().position(|byte| *byte == b' ');
        let (field, after) = from_start.split_at(end.unwrap_or(from_start.len()));
        rest = after;
        std::str::from_utf8(field).ok()
    };
    let (start, end) = field()?.split_once('-')?;
    let _permissions = field()?;
    let offset = field()?;
    let _device = field()?;
    let inode: u64 = field()?.parse().ok()?;
    let path = String::from_utf8_lossy(rest);
    let path = path.trim_start_matches(' ');
    let mapping = Mapping {
        start: u64::from_str_radix(start, 16).ok()?,
        end: u64::from_str_radix(end, 16).ok()?,
        offset: u64::from_str_radix(offset, 16).ok()?,
        inode,
        path: path.strip_suffix(" (deleted)").unwrap_or(path).to_owned(),
    };
    (inode != 0 && mapping.start < mapping.end).then_some(mapping)
}

/// Size of the smallest page; segments begin at multiples of it.
const PAGE: u64 = 4096;

/// What to add to an address in the file to get the address in the process.
///
/// `first_segment` is the virtual address of the first loaded segment in the file. The device is not
/// compared, and the path counts where no inode fits: overlay file systems show others in maps than
/// stat tells.
#[must_use]
pub fn load_base(
    mappings: &[Mapping],
    inode: u64,
    executable: &str,
    first_segment: u64,
) -> Option<u64> {
    let lowest = |of_file: &dyn Fn(&&Mapping) -> bool| {
        let starts = mappings.iter().filter(of_file).map(|mapping| mapping.start);
        starts.min()
    };
    let start = lowest(&|mapping| mapping.inode == inode)
        .or_else(|| lowest(&|mapping| mapping.path == executable))?;
    start.checked_sub(first_segment & !(PAGE - 1))
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
        let base = |inode, first_segment| load_base(&maps, inode, "/srv/x", first_segment);
        assert_eq!(base(77, 0x40_0000), Some(0));
        assert_eq!(base(99, 0), Some(0x7f00_0000_1000));
        assert_eq!(base(99, 0x238), Some(0x7f00_0000_1000));
        assert_eq!(base(12, 0), None);
        assert_eq!(base(77, u64::MAX), None);
        assert_eq!(load_base(&maps, 12, "/srv/a b", 0x40_0000), Some(0));
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
