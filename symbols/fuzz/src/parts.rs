//! An input of a structured target: parts with a mark between them.
//!
//! A mark, unlike a length, lets a mutation of one part leave the others alone.

/// Stands between two parts.
const MARK: &[u8] = b"\xf5GO\xf6";

/// Splits an input into `N` parts; those that are missing are empty, and the last one keeps what is left.
pub fn split<const N: usize>(input: &[u8]) -> [&[u8]; N] {
    let mut rest = Some(input);
    let mut number = 0;
    [(); N].map(|()| {
        number += 1;
        let here = rest.take().unwrap_or_default();
        let mark = here.windows(MARK.len()).position(|window| window == MARK);
        match mark.filter(|_| number < N) {
            Some(at) => {
                rest = here.get(at + MARK.len()..);
                here.get(..at).unwrap_or_default()
            }
            None => here,
        }
    })
}

/// Joins parts to an input; a part that holds the mark comes back split.
pub fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.join(MARK)
}
