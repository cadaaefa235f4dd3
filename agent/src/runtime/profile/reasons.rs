//! The names of wait reasons, read from the process itself: releases number them anew.

use super::{
    facts::WaitReasons,
    gather::{Window, gather},
};
use crate::runtime::ReadError;

/// Longest name that is believed; the longest real one has 33 bytes.
const LONGEST: u64 = 64;

/// Reads the names; `None` when what lies there is no list of names.
///
/// # Errors
/// When the memory of the process cannot be read.
pub(super) fn read(
    pid: u32,
    reasons: WaitReasons,
    bias: u64,
) -> Result<Option<Vec<String>>, ReadError> {
    let count = usize::try_from(reasons.count).unwrap_or_default();
    let mut headers = Vec::new();
    let array = (reasons.address.wrapping_add(bias), count * 16);
    gather(pid, &[array], &mut headers)?;
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
    match gather(pid, &named, &mut texts) {
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
