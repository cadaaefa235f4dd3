//! Tells Go programs from others in a few small reads, before anything is parsed.
//!
//! The file is read in bounded chunks, never mapped: somebody may shorten it meanwhile.

use std::{
    collections::{HashSet, VecDeque},
    fs::File,
    io,
    os::unix::fs::FileExt as _,
};

use super::BinaryKey;

/// First bytes of Go's build information, which every Go linker since 1.13 writes.
const MAGIC: &[u8; 14] = b"\xff Go buildinf:";
/// Most sections that are looked through.
const SECTIONS: u64 = 4_096;
/// Most bytes of a file without section table that are searched for the magic.
const SEARCH: u64 = 64 << 20;
const CHUNK: u64 = 64 << 10;

/// Tells whether a file is a 64-bit little-endian ELF file with Go's build information.
///
/// # Errors
/// When reading fails; a file that ends before a place it refers to is no Go program.
pub fn is_go(file: &File) -> io::Result<bool> {
    match check(file) {
        // The kernel calls places past the largest file size invalid.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput
            ) =>
        {
            Ok(false)
        }
        other => other,
    }
}

fn check(file: &File) -> io::Result<bool> {
    let header: [u8; 64] = read_at(file, 0)?;
    if !header.starts_with(b"\x7fELF\x02\x01") {
        return Ok(false);
    }
    let (sections, section_count) = (u64_at(&header, 40), u64::from(u16_at(&header, 60)));
    if sections != 0 && section_count != 0 && u16_at(&header, 58) == 64 {
        let names = u64::from(u16_at(&header, 62));
        return has_section(file, sections, section_count.min(SECTIONS), names);
    }
    searched_segments(file, &header)
}

/// Looks for `.go.buildinfo` by name.
fn has_section(file: &File, table: u64, count: u64, names: u64) -> io::Result<bool> {
    let header = |index: u64| read_at::<64>(file, table.saturating_add(index * 64));
    let names = header(names)?;
    let (names_at, names_size) = (u64_at(&names, 24), u64_at(&names, 32));
    for index in 0..count {
        let name = u64::from(u32_at(&header(index)?, 0));
        if name.saturating_add(15) > names_size {
            continue;
        }
        let text: [u8; 15] = read_at(file, names_at.saturating_add(name))?;
        if &text == b".go.buildinfo\0\0" || text.starts_with(b".go.buildinfo\0") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Searches the loaded segments of a file without section table.
fn searched_segments(file: &File, header: &[u8; 64]) -> io::Result<bool> {
    let (table, count) = (u64_at(header, 32), u64::from(u16_at(header, 56)));
    let mut left = SEARCH;
    for index in 0..count.min(64) {
        let segment: [u8; 56] = read_at(file, table.saturating_add(index * 56))?;
        // Build information is loaded data: PT_LOAD, not executable.
        if u32_at(&segment, 0) != 1 || u32_at(&segment, 4) & 1 != 0 {
            continue;
        }
        let size = u64_at(&segment, 32).min(left);
        left -= size;
        if search(file, u64_at(&segment, 8), size)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn search(file: &File, start: u64, size: u64) -> io::Result<bool> {
    let mut chunk = vec![0; usize::try_from(CHUNK).unwrap_or_default()];
    let mut done = 0;
    while done < size {
        let length = usize::try_from(CHUNK.min(size - done)).unwrap_or_default();
        let part = chunk.get_mut(..length).unwrap_or_default();
        file.read_exact_at(part, start.saturating_add(done))?;
        // The linker aligns it to 16 bytes, so it never straddles two chunks.
        if part.chunks(16).any(|words| words.starts_with(MAGIC)) {
            return Ok(true);
        }
        done += CHUNK;
    }
    Ok(false)
}

fn read_at<const N: usize>(file: &File, offset: u64) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes)
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes
        .get(at..at + N)
        .and_then(|part| part.try_into().ok())
        .unwrap_or([0; N])
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(number(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(number(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(number(bytes, at))
}

/// Binaries that are known to be no Go programs, so that each is looked at once.
#[derive(Debug, Default)]
pub struct NotGoCache {
    known: HashSet<BinaryKey>,
    oldest_first: VecDeque<BinaryKey>,
}

/// Most binaries that are remembered; the oldest is forgotten for a new one.
const REMEMBERED: usize = 4_096;

impl NotGoCache {
    /// Tells whether a binary is known to be no Go program.
    #[must_use]
    pub fn contains(&self, key: &BinaryKey) -> bool {
        self.known.contains(key)
    }

    /// Remembers a binary that is no Go program.
    pub fn insert(&mut self, key: BinaryKey) {
        if !self.known.insert(key) {
            return;
        }
        self.oldest_first.push_back(key);
        if self.oldest_first.len() > REMEMBERED
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write as _;

    fn temporary(bytes: &[u8]) -> File {
        let path = std::env::temp_dir().join(format!(
            "golens-elf-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        let mut file = File::create(&path).expect("created");
        file.write_all(bytes).expect("written");
        let file = File::open(&path).expect("opened");
        std::fs::remove_file(path).expect("removed");
        file
    }

    #[test]
    fn this_test_is_no_go_program() {
        let own = File::open("/proc/self/exe").expect("opened");
        assert!(!is_go(&own).expect("readable"));
    }

    #[test]
    fn a_file_without_sections_is_searched() {
        let mut file = vec![0; 0x3000];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[32] = 64; // program headers follow the header
        file[56] = 1;
        file[64] = 1; // PT_LOAD
        file[68] = 6; // readable, writable
        file[64 + 9] = 0x10; // at 0x1000
        file[64 + 33] = 0x20; // 0x2000 bytes
        assert!(!is_go(&temporary(&file)).expect("readable"));
        file[0x2010..0x201e].copy_from_slice(MAGIC);
        assert!(is_go(&temporary(&file)).expect("readable"));
        assert!(!is_go(&temporary(&file[..0x2000])).expect("cut short"));
    }

    #[test]
    fn the_cache_forgets_the_oldest() {
        let key = |inode| BinaryKey {
            device: 1,
            inode,
            size: 0,
            modified_ns: 0,
            changed_ns: 0,
        };
        let mut cache = NotGoCache::default();
        for inode in 0..=REMEMBERED as u64 {
            cache.insert(key(inode));
            cache.insert(key(inode));
        }
        assert!(!cache.contains(&key(0)));
        assert!(cache.contains(&key(1)) && cache.contains(&key(REMEMBERED as u64)));
        assert_eq!(cache.known.len(), REMEMBERED);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_bytes_give_an_answer(tail in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut bytes = b"\x7fELF\x02\x01".to_vec();
            bytes.extend(tail);
            prop_assert!(is_go(&temporary(&bytes)).is_ok());
        }
    }
}
