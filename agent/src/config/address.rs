//! Addresses to listen on, as settings have them.

use ::config::listen::{self, Address};

use super::{Problem, TlsFiles};

/// The addresses of the setting `path`.
///
/// # Errors
/// Every one that is none, with its place.
pub(crate) fn addresses(path: &str, texts: &[String]) -> Result<Vec<Address>, Vec<Problem>> {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for (at, text) in texts.iter().enumerate() {
        match text.parse() {
            Ok(address) => found.push(address),
            Err(_) => problems.push(Problem::new(
                format!("{path}[{at}]"),
                format!("`{text}` is no address such as 127.0.0.1:8500 or unix:///run/x.sock"),
            )),
        }
    }
    match problems.is_empty() {
        true => Ok(found),
        false => Err(problems),
    }
}

impl TlsFiles {
    /// What encrypted addresses need; `None` without certificate or key.
    pub(crate) fn pair(&self) -> Option<listen::TlsFiles> {
        let (certificate, key) = (self.certificate.clone()?, self.key.clone()?);
        Some(listen::TlsFiles {
            certificate,
            key,
            client_authority: self.client_authority.clone(),
        })
    }
}
