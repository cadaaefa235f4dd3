//! Roles, and who has which.

use serde::{Deserialize, Serialize};

use crate::{
    Access, Denied, DocumentId, Right,
    caller::{Proof, Reader},
};

/// What somebody with this role may do. Namespaces are named as they are, or by their beginning and a `*`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Namespaces that are seen, secrets masked.
    pub read: Vec<String>,
    /// Whether secrets of these namespaces are seen.
    pub decrypt: bool,
    /// Whether data keys are made.
    pub generate_keys: bool,
    /// Namespaces that are rolled back, pinned and released.
    pub write: Vec<String>,
    /// Whether the audit log is seen, secrets masked.
    pub audit: bool,
}

/// Gives a role to callers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// What the caller has proved: `token:ACCESSOR`, `spiffe://TRUST-DOMAIN/PATH`, `process:NAME`,
    /// `application:ID`; with a `*` at its end, everything that begins so; `*` alone, everybody.
    pub who: String,
    /// Name of the role.
    pub role: String,
}

/// Roles, and who has which. What no role allows is denied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The roles.
    #[serde(default = "usual")]
    pub roles: Vec<Role>,
    /// Who has which; a caller may have several.
    #[serde(default)]
    pub bindings: Vec<Binding>,
}

impl Default for Policy {
    /// The three usual roles, which nobody has yet.
    fn default() -> Self {
        Self {
            roles: usual(),
            bindings: Vec::new(),
        }
    }
}

/// Developers, operators and auditors.
fn usual() -> Vec<Role> {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    vec![
        Role {
            name: "dev".to_owned(),
            read: names(&["dev-*"]),
            decrypt: true,
            write: names(&["dev-*"]),
            ..Role::default()
        },
        Role {
            name: "ops".to_owned(),
            read: names(&["prod-*", "staging-*"]),
            decrypt: true,
            generate_keys: true,
            write: names(&["prod-*", "staging-*"]),
            ..Role::default()
        },
        Role {
            name: "auditor".to_owned(),
            read: names(&["*"]),
            audit: true,
            ..Role::default()
        },
    ]
}

impl Policy {
    /// Everybody may do everything: for a node without roles.
    #[must_use]
    pub fn open() -> Self {
        let all = || vec!["*".to_owned()];
        Self {
            roles: vec![Role {
                name: "all".to_owned(),
                read: all(),
                decrypt: true,
                generate_keys: true,
                write: all(),
                audit: true,
            }],
            bindings: vec![Binding {
                who: "*".to_owned(),
                role: "all".to_owned(),
            }],
        }
    }

    /// For a node without roles: every program of it sees every document, and root alone changes them and
    /// sees the audit log.
    #[must_use]
    pub fn of_the_node() -> Self {
        let all = || vec!["*".to_owned()];
        let everybody = Role {
            name: "everybody".to_owned(),
            read: all(),
            decrypt: true,
            ..Role::default()
        };
        let root = Role {
            name: "root".to_owned(),
            write: all(),
            generate_keys: true,
            audit: true,
            ..everybody.clone()
        };
        let bound = |who: &str, role: &Role| Binding {
            who: who.to_owned(),
            role: role.name.clone(),
        };
        Self {
            bindings: vec![bound("*", &everybody), bound("process:uid:0", &root)],
            roles: vec![everybody, root],
        }
    }

    /// What is wrong with it: bindings of roles that do not exist, roles of one name.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let is_role = |name: &String| self.roles.iter().any(|role| role.name == *name);
        let unknown = self.bindings.iter().filter(|it| !is_role(&it.role));
        let mut faults: Vec<_> = unknown
            .map(|it| format!("{} is to have the role {}, which is none", it.who, it.role))
            .collect();
        for (nth, role) in self.roles.iter().enumerate() {
            let mut earlier = self.roles.iter().take(nth);
            if earlier.any(|it| it.name == role.name) {
                faults.push(format!("there are two roles {}", role.name));
            }
        }
        faults
    }

    /// The roles of a caller.
    fn roles<'a>(&'a self, reader: &'a Reader) -> impl Iterator<Item = &'a Role> {
        self.roles.iter().filter(|role| {
            let mut bindings = self.bindings.iter().filter(|it| it.role == role.name);
            bindings.any(|it| it.is_for(reader))
        })
    }

    /// Whether a caller may make data keys.
    ///
    /// # Errors
    /// `Denied` when no role of the caller says so.
    pub fn may_generate_keys(&self, reader: &Reader) -> Result<(), Denied> {
        self.decide(reader, "generate_keys", |role| role.generate_keys)
    }

    /// Asks all roles of the caller; the rule that denies is named after the last of them.
    fn decide(
        &self,
        reader: &Reader,
        what: &str,
        allows: impl Fn(&Role) -> bool,
    ) -> Result<(), Denied> {
        let mut rule = "no_role".to_owned();
        for role in self.roles(reader) {
            if allows(role) {
                return Ok(());
            }
            rule = format!("{}.{what}", role.name);
        }
        Err(Denied { rule })
    }
}

impl Access<Reader> for Policy {
    fn check(&self, reader: &Reader, right: Right, document: &DocumentId) -> Result<(), Denied> {
        let reaches = |names: &[String]| names.iter().any(|it| matches(it, document.namespace()));
        match right {
            Right::Read => self.decide(reader, "read", |role| reaches(&role.read)),
            Right::Reveal => self.decide(reader, "decrypt", |role| {
                role.decrypt && reaches(&role.read)
            }),
            Right::Write => self.decide(reader, "write", |role| reaches(&role.write)),
            Right::Audit => self.decide(reader, "audit", |role| role.audit),
        }
    }
}

impl Binding {
    fn is_for(&self, reader: &Reader) -> bool {
        let proves = |proof: &Proof| matches(&self.who, &written(proof));
        self.who == "*" || reader.proofs.iter().any(proves)
    }
}

fn written(proof: &Proof) -> String {
    match proof {
        Proof::Token(accessor) => format!("token:{accessor}"),
        Proof::Spiffe(id) => id.clone(),
        Proof::Process(name) => format!("process:{name}"),
        Proof::Application(id) => format!("application:{id}"),
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(who: &str, role: &str) -> Policy {
        Policy {
            bindings: vec![Binding {
                who: who.to_owned(),
                role: role.to_owned(),
            }],
            ..Policy::default()
        }
    }

    fn reader(proof: Proof) -> Reader {
        Reader {
            name: "somebody".to_owned(),
            proofs: vec![proof],
        }
    }

    /// Every right of a role in every namespace, as the table of the roles has it.
    #[test]
    fn developers_operators_and_auditors_may_what_the_table_says() {
        use Right::{Audit, Read, Reveal, Write};
        let somebody = reader(Proof::Token("t".to_owned()));
        for (role, namespace, allowed) in [
            ("dev", "dev-shop", &[Read, Reveal, Write][..]),
            ("dev", "prod-shop", &[]),
            ("dev", "development", &[]),
            ("ops", "prod-shop", &[Read, Reveal, Write]),
            ("ops", "staging-shop", &[Read, Reveal, Write]),
            ("ops", "dev-shop", &[]),
            ("auditor", "prod-shop", &[Read, Audit]),
            ("auditor", "dev-shop", &[Read, Audit]),
        ] {
            let policy = bound("token:t", role);
            let document = DocumentId::new(namespace, "app").unwrap();
            for right in [Read, Reveal, Write, Audit] {
                let check = policy.check(&somebody, right, &document);
                assert_eq!(
                    check.is_ok(),
                    allowed.contains(&right),
                    "{role} {namespace} {right:?}"
                );
                if let Err(denied) = check {
                    assert!(denied.rule.starts_with(role), "{denied}");
                }
            }
            assert_eq!(policy.may_generate_keys(&somebody).is_ok(), role == "ops");
        }
    }

    #[test]
    fn a_role_is_had_by_who_proves_it() {
        let document = DocumentId::new("dev-shop", "app").unwrap();
        for (who, proof, has) in [
            ("token:a1", Proof::Token("a1".to_owned()), true),
            ("token:a1", Proof::Token("a2".to_owned()), false),
            ("token:a1", Proof::Process("a1".to_owned()), false),
            (
                "spiffe://td/ns/shop/*",
                Proof::Spiffe("spiffe://td/ns/shop/sa/x".to_owned()),
                true,
            ),
            (
                "spiffe://td/ns/shop/*",
                Proof::Spiffe("spiffe://td/ns/shopping/sa/x".to_owned()),
                false,
            ),
            (
                "process:pod:shop/cart",
                Proof::Process("pod:shop/cart".to_owned()),
                true,
            ),
            (
                "application:shop",
                Proof::Application("shop".to_owned()),
                true,
            ),
            ("*", Proof::Process("x".to_owned()), true),
        ] {
            let check = bound(who, "dev").check(&reader(proof), Right::Read, &document);
            assert_eq!(check.is_ok(), has, "{who}");
            if let Err(denied) = check {
                assert_eq!(denied.rule, "no_role");
            }
        }
    }

    #[test]
    fn a_policy_that_contradicts_itself_says_so() {
        assert_eq!(bound("*", "dev").faults(), [""; 0]);
        assert_eq!(bound("*", "boss").faults().len(), 1);
        let mut twice = Policy::default();
        twice.roles.extend(usual());
        assert_eq!(twice.faults().len(), 3);
    }
}
