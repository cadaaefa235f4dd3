//! A wrapping key in a file of the node.

use std::{
    fs::File,
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::{FutureExt, future::BoxFuture};
use zeroize::Zeroize;

use super::{
    Kid, Locked, Provider, ProviderError,
    cipher::{self, KEY},
};

/// What a wrapped data key is bound to, before its name.
const PURPOSE: &str = "golens data key|";
/// Hexadecimal digits of a key, and the newline that editors add.
const LONGEST: usize = 2 * KEY + 2;
/// The only bits a key file may have: its owner reads it.
const MODE: u32 = 0o400;

/// Wraps data keys with a key that is read from a file whenever it is needed: 32 bytes, or 64 hexadecimal
/// digits, or 44 characters of base64. Only the owner may read it (mode 0400), and that is the user golens
/// runs as, or root.
#[derive(Clone, Debug)]
pub struct KeyFile {
    path: PathBuf,
}

impl KeyFile {
    /// The key in `path`. It is read when it is needed, so that a rotated file needs no restart.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Reads the key.
    ///
    /// # Errors
    /// When the file cannot be read, somebody else could read or change it, or it holds no key.
    pub fn read(&self) -> Result<Locked, ProviderError> {
        let unusable = |reason: String| ProviderError::File {
            path: self.path.clone(),
            reason,
        };
        // What is checked is what is read: the opened file, whatever its name leads to by then.
        let mut file = File::open(&self.path).map_err(|error| unusable(error.to_string()))?;
        let found = file
            .metadata()
            .map_err(|error| unusable(error.to_string()))?;
        let us = rustix::process::geteuid().as_raw();
        if let Some(fault) = fault(found.mode(), found.uid(), us, &self.path) {
            return Err(unusable(fault));
        }
        let mut text = Locked::zeroed(LONGEST + 1).map_err(|error| unusable(error.to_string()))?;
        let mut length = 0;
        while let Some(room @ [_, ..]) = text.expose_mut().get_mut(length..) {
            match file.read(room) {
                Ok(0) => break,
                Ok(count) => length += count,
                Err(error) => return Err(unusable(error.to_string())),
            }
        }
        let read = text.expose().get(..length).unwrap_or_default();
        decode(read).ok_or_else(|| {
            unusable(
                "it holds neither 32 bytes, nor 64 hexadecimal digits, nor 44 characters of base64"
                    .to_owned(),
            )
        })
    }

    fn generate_now(&self, kid: &Kid) -> Result<(Locked, String), ProviderError> {
        let failed = |reason: &dyn std::fmt::Display| ProviderError::File {
            path: self.path.clone(),
            reason: reason.to_string(),
        };
        let mut key = Locked::zeroed(KEY).map_err(|error| failed(&error))?;
        cipher::fill_random(key.expose_mut()).map_err(|error| failed(&error))?;
        let wrapped = self.wrap(kid, &key)?;
        Ok((key, wrapped))
    }

    fn wrap(&self, kid: &Kid, key: &Locked) -> Result<String, ProviderError> {
        let wrapping = self.read()?;
        let sealed = cipher::seal(&wrapping, key.expose(), &purpose(kid));
        let sealed = sealed.map_err(|error| ProviderError::File {
            path: self.path.clone(),
            reason: error.to_string(),
        })?;
        Ok(STANDARD.encode(sealed))
    }

    fn unwrap_now(&self, kid: &Kid, wrapped: &str) -> Result<Locked, ProviderError> {
        let wrapping = self.read()?;
        let damaged = || ProviderError::Unwrap {
            provider: format!("the key file {}", self.path.display()),
            kid: kid.clone(),
        };
        let bytes = STANDARD.decode(wrapped).map_err(|_undecodable| damaged())?;
        let plain = cipher::open(&wrapping, &bytes, &purpose(kid)).ok_or_else(damaged)?;
        let mut key = Locked::zeroed(KEY).map_err(|_no_memory| damaged())?;
        if plain.len() != KEY {
            return Err(damaged());
        }
        key.expose_mut().copy_from_slice(&plain);
        Ok(key)
    }
}

/// What is wrong with mode or owner of a key file.
fn fault(mode: u32, owner: u32, us: u32, path: &Path) -> Option<String> {
    let mode = mode & 0o7777;
    if mode != MODE {
        return Some(format!(
            "its mode is {mode:04o}, so others than its owner could read or change it: chmod 0400 {}",
            path.display()
        ));
    }
    (owner != us && owner != 0).then(|| {
        format!(
            "it belongs to user {owner}, and golens runs as user {us}: chown {us} {}",
            path.display()
        )
    })
}

fn purpose(kid: &Kid) -> Vec<u8> {
    format!("{PURPOSE}{kid}").into_bytes()
}

/// The key that `text` is, in one of the three forms.
fn decode(text: &[u8]) -> Option<Locked> {
    let mut key = Locked::zeroed(KEY).ok()?;
    let out = key.expose_mut();
    if text.len() == KEY {
        out.copy_from_slice(text);
        return Some(key);
    }
    let text = text.trim_ascii_end();
    if text.len() == 2 * KEY {
        for (byte, digits) in out.iter_mut().zip(text.chunks_exact(2)) {
            *byte = digit(digits[0])? << 4 | digit(digits[1])?;
        }
        return Some(key);
    }
    // The decoder wants more room than the 32 bytes it will fill.
    let mut room = [0; KEY + 4];
    let length = STANDARD.decode_slice(text, &mut room).ok();
    let decoded = room.get(..KEY).filter(|_| length == Some(KEY));
    let is_key = decoded
        .map(|decoded| out.copy_from_slice(decoded))
        .is_some();
    room.zeroize();
    is_key.then_some(key)
}

fn digit(character: u8) -> Option<u8> {
    let value = char::from(character).to_digit(16)?;
    u8::try_from(value).ok()
}

impl Provider for KeyFile {
    fn generate<'a>(
        &'a self,
        kid: &'a Kid,
    ) -> BoxFuture<'a, Result<(Locked, String), ProviderError>> {
        async move { self.generate_now(kid) }.boxed()
    }

    fn unwrap<'a>(
        &'a self,
        kid: &'a Kid,
        wrapped: &'a str,
    ) -> BoxFuture<'a, Result<Locked, ProviderError>> {
        async move { self.unwrap_now(kid, wrapped) }.boxed()
    }

    fn rewrap<'a>(
        &'a self,
        kid: &'a Kid,
        wrapped: &'a str,
    ) -> BoxFuture<'a, Result<String, ProviderError>> {
        async move { self.wrap(kid, &self.unwrap_now(kid, wrapped)?) }.boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_owner_may_read_a_key_file() {
        let path = Path::new("/key");
        assert_eq!(fault(0o100_400, 1000, 1000, path), None);
        assert_eq!(fault(0o100_400, 0, 1000, path), None);
        for mode in [0o100_440, 0o100_404, 0o100_600, 0o100_444, 0o104_400] {
            let fault = fault(mode, 0, 0, path).unwrap();
            assert!(fault.ends_with("chmod 0400 /key"), "{fault}");
        }
        assert!(
            fault(0o100_400, 1001, 1000, path)
                .unwrap()
                .contains("user 1001")
        );
    }

    #[test]
    fn a_key_is_read_in_three_forms() {
        let raw: Vec<u8> = (0..32).collect();
        let hex: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
        for text in [
            raw.clone(),
            hex.into_bytes(),
            STANDARD.encode(&raw).into_bytes(),
        ] {
            assert_eq!(decode(&text).unwrap().expose(), raw);
        }
        assert_eq!(
            decode(b"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n")
                .unwrap()
                .expose(),
            raw
        );
        for wrong in [&b""[..], b"short", &[b'z'; 64], &[0; 33], &[b'A'; 44]] {
            assert!(decode(wrong).is_none());
        }
    }
}
