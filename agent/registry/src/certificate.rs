//! Names in the certificates of clients, and what they may do by them.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use state::tokens::Rights;
use webpki::EndEntityCert;

/// The type of a common name among the parts of a subject: object id 2.5.4.3, encoded.
const COMMON_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x03];

/// Tags of texts that are UTF-8 or ASCII: UTF8String, PrintableString, IA5String.
const TEXTS: [u8; 3] = [0x0c, 0x13, 0x16];

/// Rights of clients whose certificate carries a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRule {
    /// A SPIFFE id, a DNS name or the common name; with a `*` at its end, all that begin so.
    pub name: String,
    /// What they may do.
    pub rights: Rights,
}

/// All such rules. A client has the rights of every rule that fits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateRules(pub Vec<CertificateRule>);

impl CertificateRules {
    /// What a certificate with these names may do; `None` when no rule fits.
    pub fn rights(&self, names: &[String]) -> Option<Arc<Rights>> {
        let fits = |rule: &&CertificateRule| names.iter().any(|name| covers(&rule.name, name));
        let all = self.0.iter().filter(fits).map(|rule| rule.rights.clone());
        all.reduce(Rights::and).map(Arc::new)
    }
}

/// Whether `pattern`, which may end with a `*`, covers `text`.
pub(crate) fn covers(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => text.starts_with(beginning),
        None => pattern == text,
    }
}

/// Names in a certificate that was verified: URIs, such as SPIFFE ids, DNS names, then the common name.
pub(crate) fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok(parsed) = EndEntityCert::try_from(certificate) else {
        return Vec::new();
    };
    let uris = parsed.valid_uri_names();
    let mut names: Vec<String> = uris
        .chain(parsed.valid_dns_names())
        .map(str::to_owned)
        .collect();
    names.extend(common_name(parsed.subject()));
    names
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
    use state::tokens::Right;

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
        let names = names(&certificate("web", "spiffe://prod/ns/shop/sa/web"));
        assert_eq!(names, ["spiffe://prod/ns/shop/sa/web", "web.test", "web"]);
        assert_eq!(super::names(&CertificateDer::from(vec![1, 2, 3])), [""; 0]);
    }

    #[test]
    fn rules_that_fit_add_up() {
        let rule = |name: &str, namespace: &str, right| CertificateRule {
            name: name.to_owned(),
            rights: Rights::none().grant(namespace, right),
        };
        let rules = CertificateRules(vec![
            rule("spiffe://prod/ns/shop/*", "shop", Right::Write),
            rule("web", "default", Right::Read),
            rule("spiffe://prod/ns/bank/*", "bank", Right::Write),
        ]);
        let names = ["spiffe://prod/ns/shop/sa/web".to_owned(), "web".to_owned()];
        let rights = rules.rights(&names).unwrap();
        assert!(rights.allow(Right::Write, "shop") && rights.allow(Right::Read, "default"));
        assert!(!rights.allow(Right::Read, "bank"));
        assert_eq!(rules.rights(&["other".to_owned()]), None);
    }
}
