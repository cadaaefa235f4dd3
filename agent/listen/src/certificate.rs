//! Names in the certificates of clients.

use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

/// The type of a common name among the parts of a subject: object id 2.5.4.3, encoded.
const COMMON_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x03];

/// Tags of texts that are UTF-8 or ASCII: UTF8String, PrintableString, IA5String.
const TEXTS: [u8; 3] = [0x0c, 0x13, 0x16];

/// Who a certificate that TLS has verified was issued to; empty for a client that showed none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// URIs, such as SPIFFE ids.
    pub uris: Vec<String>,
    /// DNS names, then the common name.
    pub names: Vec<String>,
}

impl Certificate {
    /// Reads it; one that cannot be read says nothing.
    #[must_use]
    pub fn read(certificate: &CertificateDer<'_>) -> Self {
        let Ok(parsed) = EndEntityCert::try_from(certificate) else {
            return Self::default();
        };
        let mut names: Vec<String> = parsed.valid_dns_names().map(str::to_owned).collect();
        names.extend(common_name(parsed.subject()));
        Self {
            uris: parsed.valid_uri_names().map(str::to_owned).collect(),
            names,
        }
    }

    /// All of them, URIs first.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        self.uris.iter().chain(&self.names).cloned().collect()
    }

    /// Its SPIFFE ids.
    pub fn spiffe_ids(&self) -> impl Iterator<Item = &str> {
        let uris = self.uris.iter().map(String::as_str);
        uris.filter(|uri| uri.starts_with("spiffe://"))
    }
}

/// The common name of a subject.
fn common_name(subject: &[u8]) -> Option<String> {
    let mut windows = subject.windows(COMMON_NAME.len());
    let at = windows.position(|window| window == COMMON_NAME)?;
    let (tag, rest) = subject.get(at + COMMON_NAME.len()..)?.split_first()?;
    let (length, rest) = rest.split_first()?;
    // A longer name would have a longer form of its length; the limit of the standard is 64 characters.
    let text = rest
        .get(..usize::from(*length))
        .filter(|_| *length < 0x80)?;
    TEXTS
        .contains(tag)
        .then(|| String::from_utf8(text.to_vec()).ok())?
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn certificate(common_name: &str, uri: &str) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(["web.test".to_owned()]).unwrap();
        params
            .distinguished_name
            .push(DnType::OrganizationName, "golens");
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        let uri = uri.try_into().unwrap();
        params.subject_alt_names.push(SanType::URI(uri));
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().clone()
    }

    #[test]
    fn all_names_of_a_certificate_count() {
        let read = Certificate::read(&certificate("web", "spiffe://prod/ns/shop/sa/web"));
        assert_eq!(
            read.all(),
            ["spiffe://prod/ns/shop/sa/web", "web.test", "web"]
        );
        let nothing = Certificate::read(&CertificateDer::from(vec![1, 2, 3]));
        assert_eq!(nothing, Certificate::default());
    }

    #[test]
    fn only_a_uri_is_a_spiffe_id() {
        let read = Certificate::read(&certificate("spiffe://prod/boss", "https://prod/web"));
        assert_eq!(read.spiffe_ids().count(), 0);
        let read = Certificate::read(&certificate("web", "spiffe://prod/web"));
        assert_eq!(read.spiffe_ids().collect::<Vec<_>>(), ["spiffe://prod/web"]);
    }
}
