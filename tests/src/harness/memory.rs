//! The memory of a process that a test started.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

use memchr::memmem;

/// Bytes that are looked at once.
const PIECE: usize = 4 << 20;

/// A readable and writable mapping.
struct Mapping {
    start: u64,
    end: u64,
    name: String,
}

/// Where each of `texts` stands in the memory that the process can write, heap, stacks and files alike: one place
/// for each time, by address and mapping.
///
/// # Panics
/// When the memory cannot be read: it takes root, or the process has ended.
#[must_use]
pub fn found_in_memory(pid: u32, texts: &[&str]) -> Vec<Vec<String>> {
    let memory = File::open(format!("/proc/{pid}/mem")).expect("the memory of the process");
    let longest = texts.iter().map(|text| text.len()).max().unwrap_or(1);
    let mut found = vec![Vec::new(); texts.len()];
    let (mut looked_at, mut piece) = (0, vec![0; PIECE]);
    for mapping in mappings(pid) {
        let mut at = mapping.start;
        while at < mapping.end {
            let room = usize::try_from(mapping.end - at).map_or(PIECE, |rest| rest.min(PIECE));
            let Ok(read) = read(&memory, piece.get_mut(..room).unwrap_or_default(), at) else {
                // Rings of the kernel, and what was unmapped since the list was read.
                break;
            };
            let bytes = piece.get(..read).unwrap_or_default();
            for (text, found) in texts.iter().zip(&mut found) {
                let places = memmem::find_iter(bytes, text)
                    .map(|offset| format!("{:x} {}", at + offset as u64, mapping.name));
                found.extend(places);
            }
            looked_at += read;
            // A text may begin in this piece and end in the next.
            let kept = if read == PIECE { longest - 1 } else { 0 };
            at += (read - kept) as u64;
        }
    }
    assert!(looked_at > 1 << 20, "{looked_at} bytes are no agent");
    found
}

fn read(memory: &File, piece: &mut [u8], at: u64) -> io::Result<usize> {
    match memory.read_at(piece, at)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        read => Ok(read),
    }
}

fn mappings(pid: u32) -> Vec<Mapping> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("the process runs");
    let writable = maps.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let is_writable = words.next()?.starts_with("rw");
        let address = |text| u64::from_str_radix(text, 16).ok();
        let mapping = Mapping {
            start: address(start)?,
            end: address(end)?,
            name: words.nth(3).unwrap_or_default().to_owned(),
        };
        is_writable.then_some(mapping)
    });
    writable.collect()
}

/// The files below `folder` that have `text` in them.
///
/// # Panics
/// When one cannot be read.
#[must_use]
pub fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let mut with = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let kind = fs::symlink_metadata(&path).expect("an entry").file_type();
        if kind.is_dir() {
            with.extend(files_with(&path, text));
        } else if kind.is_file() {
            let bytes = fs::read(&path).expect("a file");
            if memmem::find(&bytes, text.as_bytes()).is_some() {
                with.push(path.display().to_string());
            }
        }
    }
    with
}
