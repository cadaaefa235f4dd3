//! Random names.

use ring::rand::{SecureRandom, SystemRandom};

use crate::digest::hex;

/// Random bytes from the system; `None` when it has none to give.
fn bytes<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(bytes)
}

/// `2 * N` hexadecimal digits nobody can guess; `None` when the system has no random bytes to give.
pub fn random_hex<const N: usize>() -> Option<String> {
    Some(hex(&bytes::<N>()?))
}

/// A UUID of version 4; `None` when the system has no random bytes to give.
pub fn random_uuid() -> Option<String> {
    let mut bytes = bytes::<16>()?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let groups = [
        &bytes[..4],
        &bytes[4..6],
        &bytes[6..8],
        &bytes[8..10],
        &bytes[10..],
    ];
    Some(groups.map(hex).join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_says_that_it_is_random() {
        let uuid = random_uuid().unwrap();
        let groups: Vec<_> = uuid.split('-').collect();
        assert_eq!(
            groups.iter().map(|g| g.len()).collect::<Vec<_>>(),
            [8, 4, 4, 4, 12]
        );
        assert!(groups[2].starts_with('4'));
        assert!(groups[3].starts_with(['8', '9', 'a', 'b']));
        assert_ne!(random_uuid(), random_uuid());
    }
}
