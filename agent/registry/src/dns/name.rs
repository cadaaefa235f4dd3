//! What a name below a zone stands for.
//!
//! | name | stands for |
//! |---|---|
//! | `[TAG.]SERVICE.service[.PLACE]` | instances of a service |
//! | `_SERVICE._TAG[.service][.PLACE]` | the same; `_tcp` and `_udp` are no tags (RFC 2782) |
//! | `[_PORT._PROTOCOL.]SERVICE.NAMESPACE.svc` | the same, by the names of Kubernetes |
//! | `NODE.node[.PLACE]` | a node |
//! | `HEX.addr[.PLACE]` | the address that is written in it |
//!
//! A place is `DATACENTER`, `DATACENTER.dc`, `NAMESPACE.ns`, or both: `NAMESPACE.ns.DATACENTER.dc`.

use std::net::IpAddr;

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The zone itself.
    Apex,
    /// Instances of a service.
    Service(ServiceName),
    /// A node.
    Node(String),
    /// An address.
    Address(IpAddr),
}

/// Which instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServiceName {
    /// None for the default one.
    pub(super) namespace: Option<String>,
    /// Name of the service.
    pub(super) service: String,
    /// Tag that the instances have.
    pub(super) tag: Option<String>,
    /// Name of the port that is asked for.
    pub(super) port: Option<String>,
}

impl ServiceName {
    fn new(namespace: Option<&str>, service: &str) -> Self {
        Self {
            namespace: namespace.map(str::to_owned),
            service: service.to_owned(),
            tag: None,
            port: None,
        }
    }
}

/// Reads the labels that stand before the zone, in lower case; `None` when they mean nothing.
pub(super) fn parse(labels: &[&str], datacenter: &str) -> Option<Meaning> {
    if labels.is_empty() {
        return Some(Meaning::Apex);
    }
    kubernetes(labels)
        .or_else(|| by_keyword(labels, datacenter))
        .or_else(|| rfc_2782(labels, datacenter))
}

/// `[_PORT._PROTOCOL.]SERVICE.NAMESPACE.svc`
fn kubernetes(labels: &[&str]) -> Option<Meaning> {
    let [before @ .., service, namespace, "svc"] = labels else {
        return None;
    };
    let mut name = ServiceName::new(Some(*namespace), service);
    match before {
        [] => {}
        [port, protocol] => {
            name.port = Some(port.strip_prefix('_')?.to_owned());
            is_protocol(protocol).then_some(())?;
        }
        _ => return None,
    }
    Some(Meaning::Service(name))
}

/// Names with one of the words `service`, `node` and `addr`: the last one that a place follows.
fn by_keyword(labels: &[&str], datacenter: &str) -> Option<Meaning> {
    (1..labels.len()).rev().find_map(|at| {
        let (before, rest) = labels.split_at(at);
        let (keyword, place) = rest.split_first()?;
        let namespace = namespace_of(place, datacenter)?;
        match *keyword {
            "service" => service(before, namespace),
            "node" => Some(Meaning::Node(before.join("."))),
            "addr" => address(before),
            _ => None,
        }
    })
}

/// `_SERVICE._TAG`, or the service and before it the tag, which may have dots.
fn service(before: &[&str], namespace: Option<&str>) -> Option<Meaning> {
    if let [service, tag] = before
        && let (Some(service), Some(_)) = (service.strip_prefix('_'), tag.strip_prefix('_'))
    {
        return Some(tagged(namespace, service, tag));
    }
    let (service, tag) = before.split_last()?;
    let mut name = ServiceName::new(namespace, service);
    name.tag = (!tag.is_empty()).then(|| tag.join("."));
    Some(Meaning::Service(name))
}

/// `_SERVICE._TAG` without the word `service`.
fn rfc_2782(labels: &[&str], datacenter: &str) -> Option<Meaning> {
    let [service, tag, place @ ..] = labels else {
        return None;
    };
    let (service, _) = (service.strip_prefix('_')?, tag.strip_prefix('_')?);
    Some(tagged(namespace_of(place, datacenter)?, service, tag))
}

/// `tag` is `_TAG` or `_tcp` or `_udp`.
fn tagged(namespace: Option<&str>, service: &str, tag: &str) -> Meaning {
    let mut name = ServiceName::new(namespace, service);
    if !is_protocol(tag) {
        name.tag = tag.strip_prefix('_').map(str::to_owned);
    }
    Meaning::Service(name)
}

fn is_protocol(label: &str) -> bool {
    matches!(label, "_tcp" | "_udp")
}

/// The namespace that a place names, if any; `None` when it is no place, or elsewhere.
fn namespace_of<'a>(place: &[&'a str], datacenter: &str) -> Option<Option<&'a str>> {
    let (namespace, named) = match place {
        [] => (None, None),
        [named] | [named, "dc"] => (None, Some(*named)),
        [namespace, "ns"] => (Some(*namespace), None),
        [namespace, "ns", named]
        | [namespace, "ns", named, "dc"]
        | [namespace, "ns", "default", "ap", named, "dc"] => (Some(*namespace), Some(*named)),
        [namespace, named] => (Some(*namespace), Some(*named)),
        _ => return None,
    };
    let is_here = named.is_none_or(|named| named.eq_ignore_ascii_case(datacenter));
    is_here.then_some(namespace)
}

/// 8 hexadecimal digits for IPv4, 32 for IPv6.
fn address(before: &[&str]) -> Option<Meaning> {
    let [hex] = before else {
        return None;
    };
    if !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let address = match hex.len() {
        8 => IpAddr::V4(u32::from_str_radix(hex, 16).ok()?.into()),
        32 => IpAddr::V6(u128::from_str_radix(hex, 16).ok()?.into()),
        _ => return None,
    };
    Some(Meaning::Address(address))
}

/// The label that [`Meaning::Address`] is read from.
pub(super) fn hex(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("{:08x}", u32::from(address)),
        IpAddr::V6(address) => format!("{:032x}", u128::from(address)),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    fn read(name: &str) -> Option<Meaning> {
        let labels: Vec<_> = name.split('.').filter(|label| !label.is_empty()).collect();
        parse(&labels, "dc1")
    }

    /// `namespace/tag/service:port`, with `-` for what is not given.
    fn service(name: &str) -> String {
        match read(name) {
            Some(Meaning::Service(name)) => {
                let or = |text: Option<String>| text.unwrap_or("-".to_owned());
                let ServiceName {
                    namespace,
                    service,
                    tag,
                    port,
                } = name;
                format!("{}/{}/{service}:{}", or(namespace), or(tag), or(port))
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn every_form_of_a_service_is_read() {
        for (name, meaning) in [
            ("web.service", "-/-/web:-"),
            ("web.service.dc1", "-/-/web:-"),
            ("web.service.dc1.dc", "-/-/web:-"),
            ("v1.web.service", "-/v1/web:-"),
            ("v1.2.web.service.dc1", "-/v1.2/web:-"),
            ("web.service.staging.ns", "staging/-/web:-"),
            ("v1.web.service.staging.ns.dc1.dc", "staging/v1/web:-"),
            (
                "web.service.staging.ns.default.ap.dc1.dc",
                "staging/-/web:-",
            ),
            ("web.service.staging.dc1", "staging/-/web:-"),
            ("_web._tcp", "-/-/web:-"),
            ("_web._v1.service", "-/v1/web:-"),
            ("_web._udp.service.dc1", "-/-/web:-"),
            ("_web._v1.dc1.dc", "-/v1/web:-"),
            ("api.default.svc", "default/-/api:-"),
            ("_grpc._tcp.api.shop.svc", "shop/-/api:grpc"),
            ("service.service", "-/-/service:-"),
            ("node.service", "-/-/node:-"),
        ] {
            assert_eq!(service(name), meaning, "{name}");
        }
    }

    #[test]
    fn nodes_addresses_and_the_zone_itself_are_read() {
        assert_eq!(read(""), Some(Meaning::Apex));
        assert_eq!(read("n1.node"), Some(Meaning::Node("n1".to_owned())));
        assert_eq!(
            read("n1.example.node.dc1"),
            Some(Meaning::Node("n1.example".to_owned()))
        );
        for address in [IpAddr::from([10, 0, 0, 1]), Ipv6Addr::LOCALHOST.into()] {
            let name = format!("{}.addr.dc1", hex(address));
            assert_eq!(read(&name), Some(Meaning::Address(address)));
        }
    }

    #[test]
    fn what_means_nothing_is_none() {
        for name in [
            "web",
            "service",
            "web.service.dc2",
            "web.service.dc2.dc",
            "web.service.a.b.c",
            "_web._tcp.dc2",
            "_web",
            "grpc._tcp.api.shop.svc",
            "_grpc._x.api.shop.svc",
            "+a000001.addr",
            "0a0000.addr",
            "n1.node.dc2",
        ] {
            assert_eq!(read(name), None, "{name}");
        }
    }
}
