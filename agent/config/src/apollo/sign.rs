//! Signatures with an access key.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::hmac::{self, HMAC_SHA1_FOR_LEGACY_USE_ONLY};

use crate::Secret;

/// What signs every request: base64 of HMAC-SHA1 over the time in ms since 1970, a line feed, and path and
/// query as they are sent. SHA-1 is the protocol's choice.
#[must_use]
pub fn sign(secret: &Secret, timestamp: &str, path_and_query: &str) -> String {
    sign_text(secret, &format!("{timestamp}\n{path_and_query}"))
}

fn sign_text(secret: &Secret, text: &str) -> String {
    STANDARD.encode(hmac::sign(&key(secret), text.as_bytes()))
}

fn key(secret: &Secret) -> hmac::Key {
    hmac::Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.expose().as_bytes())
}

/// `Apollo APP:SIGNATURE`, the value of a request's `Authorization` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature<'a> {
    /// The application that signs.
    pub app: &'a str,
    /// Its signature.
    pub signature: &'a str,
}

impl<'a> Signature<'a> {
    /// Reads the header's value.
    #[must_use]
    pub fn parse(header: &'a str) -> Option<Self> {
        let (app, signature) = header.strip_prefix("Apollo ")?.split_once(':')?;
        Some(Self { app, signature })
    }

    /// Whether `secret` made it; takes as long whatever the answer.
    #[must_use]
    pub fn is_by(&self, secret: &Secret, timestamp: &str, path_and_query: &str) -> bool {
        let Ok(signature) = STANDARD.decode(self.signature) else {
            return false;
        };
        let signed = format!("{timestamp}\n{path_and_query}");
        hmac::verify(&key(secret), signed.as_bytes(), &signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_of_go_clients() {
        let secret = Secret::new("6ce3ff7e96a24335a9634fe9abca6d51".to_owned());
        // The vector of agollo's own test.
        let vector = sign_text(&secret, "http://baidu.com/a/b?key=1");
        assert_eq!(vector, "mcS95GXa7CpCjIfrbxgjKr0lRu8=");
        let signature = sign(&secret, "1576478257344", "/a/b?key=1");
        let header = format!("Apollo app:{signature}");
        let parsed = Signature::parse(&header).unwrap();
        assert!(parsed.is_by(&secret, "1576478257344", "/a/b?key=1"));
        assert!(!parsed.is_by(&secret, "1576478257345", "/a/b?key=1"));
        assert!(!parsed.is_by(&secret, "1576478257344", "/a/b?key=2"));
    }
}
