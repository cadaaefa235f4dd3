//! AES-256-GCM over one value.

use std::hint::black_box;

use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand::{SecureRandom, SystemRandom},
};
use zeroize::{Zeroize, Zeroizing};

use super::{Kid, Layout, Locked, Sealed, SecretError};

/// Bytes of a key.
pub(super) const KEY: usize = 32;
/// Bytes of an authentication tag.
const TAG: usize = 16;
/// Bytes of stack that the key schedule and its moves can have touched.
const TOUCHED: usize = 8 * 1024;

/// What a sealed value is bound to: `namespace|path|kid`. Neither namespace nor kid can have a `|`, so no
/// two places share a text.
pub(super) fn binding(namespace: &str, path: &str, kid: &Kid) -> Result<String, SecretError> {
    match namespace.contains('|') {
        true => Err(SecretError::Namespace(namespace.to_owned())),
        false => Ok(format!("{namespace}|{path}|{kid}")),
    }
}

/// Random bytes of the system.
pub(super) fn fill_random(bytes: &mut [u8]) -> Result<(), SecretError> {
    let filled = SystemRandom::new().fill(bytes);
    filled.map_err(|_unspecified| SecretError::System("random numbers"))
}

/// Seals `plain` with a new random nonce: `nonce || ciphertext || tag`.
pub(super) fn seal(key: &Locked, plain: &[u8], aad: &[u8]) -> Result<Vec<u8>, SecretError> {
    seal_with(key, fresh_nonce()?, plain, aad).ok_or(SecretError::System("cipher"))
}

/// A random nonce. Below 2^32 values of one key the chance that one is used twice is less than 2^-32.
fn fresh_nonce() -> Result<[u8; NONCE_LEN], SecretError> {
    let mut nonce = [0; NONCE_LEN];
    fill_random(&mut nonce)?;
    Ok(nonce)
}

fn seal_with(key: &Locked, nonce: [u8; NONCE_LEN], plain: &[u8], aad: &[u8]) -> Option<Vec<u8>> {
    // Encrypted in place, so the plaintext is overwritten; with its full size from the start, so it is
    // never moved.
    let mut bytes = Vec::with_capacity(NONCE_LEN + plain.len() + TAG);
    bytes.extend_from_slice(&nonce);
    bytes.extend_from_slice(plain);
    let text = bytes.get_mut(NONCE_LEN..)?;
    let tag = with_cipher(key, |cipher| {
        let nonce = Nonce::assume_unique_for_key(nonce);
        cipher.seal_in_place_separate_tag(nonce, Aad::from(aad), text)
    })?;
    bytes.extend_from_slice(tag.ok()?.as_ref());
    Some(bytes)
}

/// Opens what [`seal`] returned; `None` when anything of it, or the binding, is not what was sealed.
pub(super) fn open(key: &Locked, bytes: &[u8], aad: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, rest) = bytes.split_first_chunk::<NONCE_LEN>()?;
    open_parts(key, *nonce, rest, aad)
}

/// `text` is the ciphertext with the tag at its end.
fn open_parts(
    key: &Locked,
    nonce: [u8; NONCE_LEN],
    text: &[u8],
    aad: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let mut plain = Zeroizing::new(text.to_vec());
    let opened = with_cipher(key, |cipher| {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let opened = cipher.open_in_place(nonce, Aad::from(aad), &mut plain);
        opened.map(|opened| opened.len())
    })?;
    plain.truncate(opened.ok()?);
    Some(plain)
}

/// Opens a value that is sealed for `namespace` and `path`.
pub(super) fn open_sealed(
    key: &Locked,
    sealed: &Sealed,
    namespace: &str,
    path: &str,
) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let plain = match sealed.layout {
        Layout::V1 => {
            let aad = binding(namespace, path, &sealed.kid)?;
            open(key, &sealed.bytes, aad.as_bytes())
        }
        Layout::Seed => open_seed(key, &sealed.bytes),
    };
    plain.ok_or_else(|| SecretError::Forged {
        kid: sealed.kid.clone(),
    })
}

/// `tag || nonce || ciphertext`, bound to nothing.
fn open_seed(key: &Locked, bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (tag, rest) = bytes.split_first_chunk::<TAG>()?;
    let (nonce, text) = rest.split_first_chunk::<NONCE_LEN>()?;
    open_parts(key, *nonce, &[text, tag].concat(), &[])
}

/// Lends the cipher of a key to `work`, and leaves nothing of its key schedule behind: the cipher library
/// clears none of it.
fn with_cipher<T>(key: &Locked, work: impl FnOnce(&LessSafeKey) -> T) -> Option<T> {
    let result = scheduled(key, work);
    clear_stack();
    result
}

#[inline(never)]
fn scheduled<T>(key: &Locked, work: impl FnOnce(&LessSafeKey) -> T) -> Option<T> {
    let mut cipher = cipher(key.expose())?;
    let result = work(&cipher);
    // Takes the same place in memory as the schedule that it replaces.
    if let Some(blank) = self::cipher(&[0; KEY]) {
        cipher = blank;
    }
    black_box(&cipher);
    Some(result)
}

fn cipher(key: &[u8]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key)
        .ok()
        .map(LessSafeKey::new)
}

/// Overwrites the part of the stack that was used before by calls from here.
#[inline(never)]
fn clear_stack() {
    let mut used = [0_u8; TOUCHED];
    used.zeroize();
    black_box(&used);
}

#[cfg(test)]
mod tests;
