//! The names of wait reasons, read from the process itself: releases number them anew.

use super::{facts::WaitReasons, window::Window};
use crate::runtime::{ReadError, memory};

/// Longest name that is believed; the longest real one has 33 bytes.
const LONGEST: u64 = 64;

/// The names as one process has them.
#[derive(Debug)]
pub(super) enum Names {
    /// Where they are, and how far from there the program was loaded.
    Unread(WaitReasons, u64),
    /// By number; none where there is no list of names.
    Read(Vec<String>),
}

impl Names {
    /// Names to be read; none when the binary does not say where they are.
    pub(super) fn new(reasons: Option<WaitReasons>, bias: u64) -> Self {
        reasons.map_or(Self::Read(Vec::new()), |reasons| {
            Self::Unread(reasons, bias)
        })
    }

    /// Reads them, the first time that this succeeds.
    ///
    /// # Errors
    /// When the memory of the process cannot be read.
    pub(super) fn read(&mut self, pid: u32) -> Result<(), ReadError> {
        if let Self::Unread(reasons, bias) = *self {
            *self = Self::Read(read(pid, reasons, bias)?.unwrap_or_default());
        }
        Ok(())
    }

    /// The name of a reason, when it has one that is known.
    pub(super) fn of(&self, number: u8) -> Option<&str> {
        let Self::Read(names) = self else {
            return None;
        };
        let name = names.get(usize::from(number)).map(String::as_str);
        name.filter(|name| !name.is_empty())
    }
}

/// Reads the names; `None` when what lies there is no list of names.
///
/// # Errors
/// When the memory of the process cannot be read.
fn read(pid: u32, reasons: WaitReasons, bias: u64) -> Result<Option<Vec<String>>, ReadError> {
    let count = usize::try_from(reasons.count).unwrap_or_default();
    let mut headers = Vec::new();
    let array = (reasons.address.wrapping_add(bias), count * 16);
    memory::copy(pid, &[array], &mut headers)?;
    let mut places = Vec::with_capacity(count);
    for bytes in headers.chunks_exact(16) {
        let header = Window { bytes, from: 0 };
        let (address, length) = (header.u64(0), header.u64(8));
        match usize::try_from(length) {
            Ok(length_here) if length <= LONGEST => places.push((address, length_here)),
            _ => return Ok(None),
        }
    }
    let mut texts = Vec::new();
    // A number may be unused, and its name empty.
    let named: Vec<_> = places
        .iter()
        .copied()
        .filter(|(_, length)| *length > 0)
        .collect();
    match memory::copy(pid, &named, &mut texts) {
        Ok(()) => {}
        Err(ReadError::Unmapped { .. }) => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut rest = texts.as_slice();
    let names = places.into_iter().map(|(_, length)| {
        let (name, after) = rest.split_at_checked(length)?;
        rest = after;
        let name = std::str::from_utf8(name).ok()?;
        let plain = name.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        plain.then(|| name.to_owned())
    });
    Ok(names.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_when_they_are_asked_for_and_only_once() {
        let texts = ["", "sleep"].map(str::as_bytes);
        let mut list = texts.map(|text| [text.as_ptr().addr(), text.len()]);
        let reasons = WaitReasons {
            address: u64::try_from(list.as_ptr().addr()).expect("64 bits") - 64,
            count: 2,
        };
        let own = std::process::id();
        let mut names = Names::new(Some(reasons), 64);
        assert_eq!(names.of(1), None, "not read yet");
        names.read(own).expect("own memory");
        assert_eq!((names.of(0), names.of(1)), (None, Some("sleep")));
        list[1][1] = 2;
        names.read(own).expect("own memory");
        assert_eq!(
            (names.of(1), names.of(2), list[1][1]),
            (Some("sleep"), None, 2)
        );
    }

    #[test]
    fn names_that_cannot_be_read_are_asked_for_again() {
        let nowhere = WaitReasons {
            address: 8,
            count: 2,
        };
        let mut names = Names::new(Some(nowhere), 0);
        for _ in 0..2 {
            let error = names.read(std::process::id()).expect_err("page 0");
            assert_eq!(error.error_type(), "unmapped");
        }
        let mut unknown = Names::new(None, 0);
        unknown.read(std::process::id()).expect("nothing to read");
        assert_eq!(unknown.of(1), None);
    }
}
