//! From what a name stands for to the records that are asked for.

use std::{collections::HashSet, net::IpAddr, sync::Arc};

use hickory_proto::{
    op::{Query, ResponseCode},
    rr::{Name, Record, RecordType},
};
use state::tokens::Right;

use super::{
    name::{Meaning, ServiceName},
    records::Records,
    resolver::Resolver,
};
use crate::{
    Entry, ServiceView,
    model::{DEFAULT_NAMESPACE, Health, NodeEntry},
};

/// An answer under way.
pub(super) struct Answer<'a> {
    pub(super) resolver: &'a Resolver,
    pub(super) records: Records<'a>,
    pub(super) name: &'a Name,
    wanted: RecordType,
    pub(super) answers: Vec<Record>,
    pub(super) additionals: Vec<Record>,
}

/// Where an instance is.
enum Host {
    Address(IpAddr),
    /// A name of somebody else's zone.
    Name(Name),
}

impl<'a> Answer<'a> {
    pub(super) fn new(resolver: &'a Resolver, zone: &'a Name, query: &'a Query) -> Self {
        let ttl = resolver.options.ttl.as_secs();
        Self {
            resolver,
            records: Records {
                zone,
                datacenter: &resolver.options.datacenter,
                ttl: u32::try_from(ttl).unwrap_or(u32::MAX),
            },
            name: &query.name,
            wanted: query.query_type,
            answers: Vec::new(),
            additionals: Vec::new(),
        }
    }

    /// Adds the records of what the name stands for.
    pub(super) fn take(&mut self, meaning: &Meaning) -> ResponseCode {
        match meaning {
            Meaning::Apex => {
                self.apex();
                ResponseCode::NoError
            }
            Meaning::Address(address) => {
                self.address(*address);
                ResponseCode::NoError
            }
            Meaning::Node(name) => self.node(name),
            Meaning::Service(name) => self.service(name),
        }
    }

    /// The start of authority, which says that there is nothing else.
    pub(super) fn soa(&self) -> Option<Record> {
        // A serial number wraps around; only that it changes counts.
        let serial = self.resolver.registry.revision().0 as u32;
        self.records.soa(serial)
    }

    pub(super) fn wants(&self, kind: RecordType) -> bool {
        self.wanted == kind || self.wanted == RecordType::ANY
    }

    fn apex(&mut self) {
        if self.wants(RecordType::SOA) {
            self.answers.extend(self.soa());
        }
        if self.wants(RecordType::NS) {
            let server = self.records.server(self.resolver.registry.node_name());
            self.answers.extend(server);
        }
    }

    fn address(&mut self, address: IpAddr) {
        if self.wants(family(address)) {
            let record = self.records.address(self.name, address);
            self.answers.push(record);
        }
    }

    fn node(&mut self, name: &str) -> ResponseCode {
        if !self.may_read(DEFAULT_NAMESPACE) {
            return ResponseCode::Refused;
        }
        let Some(entry) = self.find_node(name) else {
            return ResponseCode::NXDomain;
        };
        match host(&entry.node.address) {
            Some(Host::Address(address)) => self.address(address),
            Some(Host::Name(target)) => self.alias(target),
            None => {}
        }
        if self.wants(RecordType::TXT) {
            for (key, value) in &entry.node.meta {
                let record = self.records.text(self.name, format!("{key}={value}"));
                self.answers.push(record);
            }
        }
        ResponseCode::NoError
    }

    fn find_node(&self, name: &str) -> Option<Arc<NodeEntry>> {
        let nodes = self.resolver.registry.nodes();
        let found = nodes.find(name).or_else(|| {
            let mut nodes = nodes.nodes.iter();
            nodes.find(|entry| entry.node.name.eq_ignore_ascii_case(name))
        });
        found.map(Arc::clone)
    }

    fn service(&mut self, name: &ServiceName) -> ResponseCode {
        let namespace = name.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE);
        if !self.may_read(namespace) {
            return ResponseCode::Refused;
        }
        let Some(view) = self.find_service(namespace, &name.service) else {
            return ResponseCode::NXDomain;
        };
        let sight = self.resolver.registry.sight_of(&self.resolver.asker);
        let mut entries: Vec<&Entry> = view
            .entries
            .iter()
            .filter(|entry| sight.sees(entry))
            .filter(|entry| self.is_well(entry) && has_tag(entry, name.tag.as_deref()))
            .filter(|entry| port(entry, name.port.as_deref()).is_some())
            .collect();
        if entries.is_empty() {
            return ResponseCode::NXDomain;
        }
        self.resolver.shuffle.shuffle(&mut entries);
        if self.wants(RecordType::SRV) {
            for entry in &entries {
                self.place(entry, name.port.as_deref());
            }
        }
        if self.wants(RecordType::A) || self.wants(RecordType::AAAA) {
            self.addresses(&entries);
        }
        ResponseCode::NoError
    }

    /// DNS names know no case; services do, so one with another spelling is looked for second.
    fn find_service(&self, namespace: &str, service: &str) -> Option<Arc<ServiceView>> {
        let registry = &self.resolver.registry;
        if let Some(view) = registry.find_service(namespace, service) {
            return Some(view);
        }
        let list = registry.services(namespace);
        let found = list
            .services
            .iter()
            .find(|summary| summary.key.service.eq_ignore_ascii_case(service))?;
        registry.find_service(namespace, &found.key.service)
    }

    pub(super) fn may_read(&self, namespace: &str) -> bool {
        self.resolver
            .options
            .anonymous
            .allow(Right::Read, namespace)
    }

    fn is_well(&self, entry: &Entry) -> bool {
        match entry.health() {
            Health::Passing => true,
            Health::Warning => !self.resolver.options.only_passing,
            _ => false,
        }
    }

    /// Each address once, however many instances have it. A name elsewhere stands alone: an alias has no
    /// other data beside it.
    fn addresses(&mut self, entries: &[&Entry]) {
        let mut seen = HashSet::new();
        let mut elsewhere = None;
        for entry in entries {
            match host_of(entry) {
                Some(Host::Address(address)) if seen.insert(address) => self.address(address),
                Some(Host::Name(target)) => elsewhere = Some(target),
                _ => {}
            }
        }
        if let (true, Some(target)) = (seen.is_empty(), elsewhere) {
            self.alias(target);
        }
    }

    fn alias(&mut self, target: Name) {
        let wanted = [RecordType::A, RecordType::AAAA, RecordType::CNAME];
        if wanted.into_iter().any(|kind| self.wants(kind)) {
            let record = self.records.alias(self.name, target);
            self.answers.push(record);
        }
    }

    /// Where an instance is and which port it has, and beside that its address.
    fn place(&mut self, entry: &Entry, wanted_port: Option<&str>) {
        let weights = entry.instance.weights;
        let weight = match entry.health() {
            Health::Passing => weights.passing,
            _ => weights.warning,
        };
        let host = host_of(entry);
        let target = match &host {
            Some(Host::Name(name)) => Some(name.clone()),
            Some(Host::Address(address)) if !entry.instance.address.is_empty() => {
                self.records.named(*address)
            }
            _ => self.records.node(&entry.node.node.name),
        };
        let (Some(target), Some(port)) = (target, port(entry, wanted_port)) else {
            return;
        };
        if let Some(Host::Address(address)) = host {
            let record = self.records.address(&target, address);
            self.additionals.push(record);
        }
        let weight = u16::try_from(weight).unwrap_or(u16::MAX);
        let record = self.records.place(self.name, target, port, weight);
        self.answers.push(record);
    }
}

fn family(address: IpAddr) -> RecordType {
    match address {
        IpAddr::V4(_) => RecordType::A,
        IpAddr::V6(_) => RecordType::AAAA,
    }
}

fn has_tag(entry: &Entry, tag: Option<&str>) -> bool {
    let tags = &entry.instance.tags;
    tag.is_none_or(|wanted| tags.iter().any(|tag| tag.eq_ignore_ascii_case(wanted)))
}

/// The port of that name; without a name, or in an instance whose port has none, the one to use. `None` for
/// an instance that has named ports, and not that one.
fn port(entry: &Entry, name: Option<&str>) -> Option<u16> {
    let instance = &entry.instance;
    let Some(name) = name else {
        let default = instance.ports.iter().find(|port| port.default);
        return Some(default.map_or(instance.port, |port| port.port));
    };
    let mut named = instance.ports.iter();
    let named = named.find(|port| port.name.eq_ignore_ascii_case(name));
    let tagged = || {
        instance
            .tagged_addresses
            .get(name)
            .map(|tagged| tagged.port)
    };
    let only = || instance.ports.is_empty().then_some(instance.port);
    named.map(|port| port.port).or_else(tagged).or_else(only)
}

fn host_of(entry: &Entry) -> Option<Host> {
    match entry.instance.address.as_str() {
        "" => host(&entry.node.node.address),
        own => host(own),
    }
}

fn host(address: &str) -> Option<Host> {
    if let Ok(address) = address.parse() {
        return Some(Host::Address(address));
    }
    let mut name = Name::from_ascii(address).ok()?;
    name.set_fqdn(true);
    (!name.is_root()).then_some(Host::Name(name))
}
