//! Names of keys in etcd.
//!
//! `PREFIX/NAMESPACE/SERVICE/NODE/ID` is an instance, `PREFIX/@node/NODE` a node. A transaction that takes
//! instances of a node out writes `PREFIX/@left/NODE` as well, so that everybody can tell it from a lease
//! that ended: etcd shows both as the same deletion. Names are percent-encoded, so none of them has a `/` or
//! begins with `@`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::model::{InstanceKey, Name, ServiceKey};

const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What a key stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Instance(ServiceKey, InstanceKey),
    Node(Name),
    Left(Name),
}

/// The keys below one prefix.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    /// Ends with a slash.
    prefix: String,
}

impl Keys {
    /// Keys below `prefix`, which has no slash at its end.
    pub(super) fn new(prefix: &str) -> Self {
        let prefix = format!("{prefix}/");
        Self { prefix }
    }

    /// Everything.
    pub(super) fn all(&self) -> (Vec<u8>, Vec<u8>) {
        range(&self.prefix)
    }

    /// All nodes.
    pub(super) fn nodes(&self) -> (Vec<u8>, Vec<u8>) {
        range(&format!("{}@node/", self.prefix))
    }

    pub(super) fn instance(&self, service: &str, key: &InstanceKey) -> Vec<u8> {
        let parts = [&*key.namespace, service, &*key.node, &*key.id];
        let parts = parts.map(|part| utf8_percent_encode(part, PLAIN).to_string());
        format!("{}{}", self.prefix, parts.join("/")).into_bytes()
    }

    pub(super) fn node(&self, node: &str) -> Vec<u8> {
        let node = utf8_percent_encode(node, PLAIN);
        format!("{}@node/{node}", self.prefix).into_bytes()
    }

    pub(super) fn left(&self, node: &str) -> Vec<u8> {
        let node = utf8_percent_encode(node, PLAIN);
        format!("{}@left/{node}", self.prefix).into_bytes()
    }

    /// What a key stands for; `None` when it is not one of ours.
    pub(super) fn parse(&self, key: &[u8]) -> Option<Key> {
        let rest = std::str::from_utf8(key).ok()?.strip_prefix(&self.prefix)?;
        let mut parts = rest.split('/');
        let mut next = || parts.next();
        let first = next()?;
        let key = match first {
            "@node" => Key::Node(decode(next()?)?),
            "@left" => Key::Left(decode(next()?)?),
            namespace => {
                let namespace = decode(namespace)?;
                let service = ServiceKey::new(Name::clone(&namespace), decode(next()?)?);
                let (node, id) = (decode(next()?)?, decode(next()?)?);
                let key = InstanceKey {
                    namespace,
                    node,
                    id,
                };
                Key::Instance(service, key)
            }
        };
        next().is_none().then_some(key)
    }
}

fn decode(part: &str) -> Option<Name> {
    let text = percent_decode_str(part).decode_utf8().ok()?;
    (!text.is_empty()).then(|| text.into())
}

/// All keys that begin with `prefix`, which ends with a slash.
fn range(prefix: &str) -> (Vec<u8>, Vec<u8>) {
    let begin = prefix.as_bytes().to_vec();
    let mut end = begin.clone();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    (begin, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str) -> InstanceKey {
        InstanceKey {
            namespace: "prod".into(),
            node: "node/1".into(),
            id: id.into(),
        }
    }

    #[test]
    fn any_name_comes_back_from_its_key() {
        let keys = Keys::new("/golens");
        for id in ["web-1", "a/b", "@node", "%2F", "ü x", "..", "@"] {
            let key = key(id);
            let service = ServiceKey::new("prod", "orders/v2");
            let name = keys.instance("orders/v2", &key);
            assert_eq!(keys.parse(&name), Some(Key::Instance(service, key)));
        }
        assert_eq!(
            keys.parse(&keys.node("@left")),
            Some(Key::Node("@left".into()))
        );
        assert_eq!(keys.parse(&keys.left("a/b")), Some(Key::Left("a/b".into())));
    }

    #[test]
    fn what_somebody_else_wrote_is_nothing() {
        let keys = Keys::new("/golens");
        for foreign in [
            &b"/golens"[..],
            b"/golens/",
            b"/golens/a",
            b"/golens/a/b/c",
            b"/golens/a/b/c/d/e",
            b"/golens/a//c/d",
            b"/golens/@node",
            b"/golens/@node/a/b",
            b"/golens/@other/a",
            b"/other/a/b/c/d",
            b"/golens/%FF/b/c/d",
            b"/golens/\xff/b/c/d",
        ] {
            assert_eq!(keys.parse(foreign), None, "{}", foreign.escape_ascii());
        }
    }

    #[test]
    fn the_range_holds_the_keys_and_no_others() {
        let keys = Keys::new("/golens");
        let (begin, end) = keys.all();
        let inside = |key: &[u8]| key >= begin.as_slice() && key < end.as_slice();
        assert!(inside(&keys.instance("web", &key("a"))) && inside(&keys.node("n")));
        assert!(!inside(b"/golens") && !inside(b"/golens-2/a/b/c/d"));
    }
}
