//! Memory for keys.

use std::io;

use memmap2::{Advice, MmapMut};
use zeroize::Zeroize;

/// A few bytes on a page of their own: never swapped out where the kernel allows it to be locked, never
/// part of a core dump, cleared when dropped. It has no `Debug` and no `Clone`.
pub struct Locked {
    page: MmapMut,
    length: usize,
    is_locked: bool,
}

impl Locked {
    /// `length` zero bytes.
    ///
    /// # Errors
    /// When there is no memory. A kernel that refuses to lock the page (`RLIMIT_MEMLOCK`) is no error: see
    /// [`is_locked`](Self::is_locked).
    pub fn zeroed(length: usize) -> io::Result<Self> {
        let page = MmapMut::map_anon(length.max(1))?;
        page.advise(Advice::DontDump)?;
        let is_locked = page.lock().is_ok();
        Ok(Self {
            page,
            length,
            is_locked,
        })
    }

    /// The bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.page.get(..self.length).unwrap_or_default()
    }

    /// The bytes, to be filled.
    pub fn expose_mut(&mut self) -> &mut [u8] {
        self.page.get_mut(..self.length).unwrap_or_default()
    }

    /// Whether the kernel promised never to swap it out.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.is_locked
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        self.page.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of `/proc/self/smaps` about the mapping with this address.
    fn flags(address: usize) -> String {
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut here = false;
        let mut flags = String::new();
        for line in smaps.lines() {
            let range = line.split(' ').next().and_then(|word| word.split_once('-'));
            if let Some((first, last)) = range {
                let parse = |text| usize::from_str_radix(text, 16);
                if let (Ok(first), Ok(last)) = (parse(first), parse(last)) {
                    here = (first..last).contains(&address);
                }
            }
            if here && line.starts_with("VmFlags:") {
                flags = line.to_owned();
            }
        }
        flags
    }

    #[test]
    fn the_kernel_keeps_it_out_of_dumps_and_swap() {
        let mut locked = Locked::zeroed(32).unwrap();
        locked.expose_mut().fill(7);
        let flags = flags(locked.expose().as_ptr().addr());
        assert!(flags.contains(" dd"), "not DONTDUMP: {flags}");
        assert_eq!(flags.contains(" lo"), locked.is_locked(), "{flags}");
    }
}
