//! What clients may do by the names in their certificates.

use std::sync::Arc;

use state::tokens::Rights;

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

#[cfg(test)]
mod tests {
    use state::tokens::Right;

    use super::*;

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
