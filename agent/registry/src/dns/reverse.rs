//! Names of addresses: what node or service has one.
//!
//! As in Consul: the node at that address, else the services with an instance there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_proto::{
    op::ResponseCode,
    rr::{Name, RecordType},
};

use super::answer::Answer;
use crate::model::DEFAULT_NAMESPACE;

/// Labels of a whole IPv6 address, below `ip6.arpa`.
const NIBBLES: usize = 32;

/// The address that a name such as `1.0.0.10.in-addr.arpa` stands for; `None` for all other names.
pub(super) fn parse(name: &Name) -> Option<IpAddr> {
    // Nearly all names are others: they cost no more than this look.
    if !name.iter().next_back()?.eq_ignore_ascii_case(b"arpa") {
        return None;
    }
    let name = name.to_lowercase();
    let labels: Vec<&str> = name
        .iter()
        .map(std::str::from_utf8)
        .collect::<Result<_, _>>()
        .ok()?;
    match labels.as_slice() {
        [d, c, b, a, "in-addr", "arpa"] => {
            let octets = [octet(a)?, octet(b)?, octet(c)?, octet(d)?];
            Some(Ipv4Addr::from(octets).into())
        }
        [nibbles @ .., "ip6", "arpa"] if nibbles.len() == NIBBLES => {
            let digits = nibbles.iter().rev().map(|digit| nibble(digit));
            let bits = digits.reduce(|bits, digit| Some(bits? << 4 | digit?))??;
            Some(Ipv6Addr::from(bits).into())
        }
        _ => None,
    }
}

fn octet(label: &str) -> Option<u8> {
    let is_plain = label.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| label.parse().ok()).flatten()
}

fn nibble(label: &str) -> Option<u128> {
    let mut characters = label.chars();
    let digit = characters.next()?.to_digit(16)?;
    characters.next().is_none().then_some(digit.into())
}

impl Answer<'_> {
    /// Adds the names of what has the address.
    pub(super) fn point_at(&mut self, address: IpAddr) -> ResponseCode {
        let registry = &self.resolver.registry;
        let mut targets = Vec::new();
        if self.may_read(DEFAULT_NAMESPACE) {
            let nodes = registry.nodes();
            let at_address = |text: &str| text.parse() == Ok(address);
            let mut nodes = nodes.nodes.iter();
            let found = nodes.find(|entry| at_address(&entry.node.address));
            targets.extend(found.and_then(|entry| self.records.node(&entry.node.name)));
        }
        if targets.is_empty() {
            let sight = registry.sight_of(&self.resolver.asker);
            let services = registry.services_at(address, |tags| sight.allows(tags));
            let readable = services
                .into_iter()
                .filter(|service| self.may_read(&service.namespace));
            targets.extend(readable.filter_map(|service| self.records.service(&service)));
        }
        if targets.is_empty() {
            return ResponseCode::NXDomain;
        }
        if self.wants(RecordType::PTR) {
            let records = targets.into_iter();
            let records = records.map(|target| self.records.pointer(self.name, target));
            self.answers.extend(records.collect::<Vec<_>>());
        }
        ResponseCode::NoError
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str) -> Option<IpAddr> {
        // As it comes over the wire, where a label is any bytes.
        let labels = name.trim_end_matches('.').split('.').map(str::as_bytes);
        parse(&Name::from_labels(labels).unwrap())
    }

    #[test]
    fn whole_addresses_are_read_and_nothing_else() {
        assert_eq!(read("4.3.2.1.in-addr.arpa."), Some([1, 2, 3, 4].into()));
        let loopback = format!("1.{}IP6.arpa.", "0.".repeat(31));
        assert_eq!(read(&loopback), Some(Ipv6Addr::LOCALHOST.into()));
        for other in [
            "3.2.1.in-addr.arpa.".to_owned(),
            "256.3.2.1.in-addr.arpa.".to_owned(),
            "+4.3.2.1.in-addr.arpa.".to_owned(),
            "4.3.2.1.in-addr.arpa.consul.".to_owned(),
            format!("10.{}ip6.arpa.", "0.".repeat(31)),
            format!("g.{}ip6.arpa.", "0.".repeat(31)),
            "1.0.ip6.arpa.".to_owned(),
        ] {
            assert_eq!(read(&other), None, "{other}");
        }
    }
}
