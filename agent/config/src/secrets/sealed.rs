//! How a sealed value is written.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::SecretError;

/// Bytes of the longest sealed text, a little more than a MiB of plaintext in base64.
const MOST: usize = 1_400_000;

/// What every sealed text begins with.
const OPENING: &str = "ENC[";

/// Name of a data key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Kid(String);

/// A text that cannot name a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no name of a key: 1 to 64 letters, digits, `.`, `_` and `-`")]
pub struct BadKid(String);

impl FromStr for Kid {
    type Err = BadKid;

    fn from_str(text: &str) -> Result<Self, BadKid> {
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        match (1..=64).contains(&text.len()) && text.chars().all(known) {
            true => Ok(Self(text.to_owned())),
            false => Err(BadKid(text.chars().take(64).collect())),
        }
    }
}

impl TryFrom<String> for Kid {
    type Error = BadKid;

    fn try_from(text: String) -> Result<Self, BadKid> {
        text.parse()
    }
}

impl Kid {
    /// `k1`, `k2`, ...
    pub(super) fn numbered(number: usize) -> Self {
        Self(format!("k{number}"))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// In which order nonce, tag and ciphertext stand, and what is authenticated beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `nonce(12) || ciphertext || tag(16)`, bound to namespace, path and key.
    V1,
    /// `tag(16) || nonce(12) || ciphertext`, bound to nothing: only read, never written.
    Seed,
}

impl Layout {
    fn word(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::Seed => "seed",
        }
    }
}

/// A sealed value, as its text says; nothing is verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Layout of the bytes.
    pub layout: Layout,
    /// Key that it claims to be sealed with.
    pub kid: Kid,
    /// Nonce, tag and ciphertext.
    pub bytes: Vec<u8>,
}

impl Sealed {
    /// Whether a text means to be a sealed value, good or bad.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        text.trim_start().starts_with(OPENING)
    }

    /// The sealed values within a longer text, such as a file of any format: each from `ENC[` to the next
    /// `]`, where that has the form of one.
    #[must_use]
    pub fn find_all(text: &str) -> Vec<&str> {
        text.match_indices(OPENING)
            .filter_map(|(at, _)| {
                let rest = text.get(at..)?;
                let found = rest.get(..=rest.find(']')?)?;
                found.parse::<Self>().is_ok().then_some(found)
            })
            .collect()
    }
}

impl FromStr for Sealed {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, SecretError> {
        let form = |reason| SecretError::Form { reason };
        if text.len() > MOST {
            return Err(SecretError::TooLong { most: MOST });
        }
        let inner = text.trim().strip_prefix(OPENING);
        let inner = inner.ok_or(form("it does not begin with `ENC[`"))?;
        let inner = inner.strip_suffix(']').ok_or(form("no `]` at its end"))?;
        let mut parts = inner.splitn(3, ',').map(str::trim);
        let (Some(layout), Some(kid), Some(bytes)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(form("three parts between commas are needed"));
        };
        let layout = match layout {
            "v1" => Layout::V1,
            "seed" => Layout::Seed,
            _ => return Err(form("its layout is neither v1 nor seed")),
        };
        let bytes = STANDARD.decode(bytes);
        Ok(Self {
            layout,
            kid: kid.parse()?,
            bytes: bytes.map_err(|_undecodable| form("its third part is not base64"))?,
        })
    }
}

impl fmt::Display for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = STANDARD.encode(&self.bytes);
        write!(f, "ENC[{},{},{bytes}]", self.layout.word(), self.kid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_prints_as_it_is_read() {
        for text in ["ENC[v1,k1,AAEC]", "ENC[seed,2026-11.a_b,/+8=]"] {
            let sealed: Sealed = text.parse().unwrap();
            assert_eq!(sealed.to_string(), text);
        }
    }

    #[test]
    fn whatever_else_begins_so_says_what_is_wrong() {
        for (text, reason) in [
            ("ENC[v1,k1,AAEC", "no `]`"),
            ("ENC[v1,AAEC]", "three parts"),
            ("ENC[v2,k1,AAEC]", "neither v1 nor seed"),
            ("ENC[v1,k 1,AAEC]", "no name of a key"),
            ("ENC[v1,,AAEC]", "no name of a key"),
            ("ENC[v1,k1,AAE]", "not base64"),
            ("ENC[v1,k1,AAEC,x]", "not base64"),
        ] {
            assert!(Sealed::is_meant(text));
            let error = text.parse::<Sealed>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
        assert!(!Sealed::is_meant("ENCODED"));
    }

    #[test]
    fn sealed_values_are_found_in_a_file() {
        let file = "a: ENC[v1,k1,AAEC]\nb: [ENC[bad, ENC[seed,k2,AAEC]] # ENC[v1,";
        assert_eq!(
            Sealed::find_all(file),
            ["ENC[v1,k1,AAEC]", "ENC[seed,k2,AAEC]"]
        );
    }
}
