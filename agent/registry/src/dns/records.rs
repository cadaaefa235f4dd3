//! Records of one zone.

use std::net::IpAddr;

use hickory_proto::rr::{
    Name, RData, Record,
    rdata::{A, AAAA, CNAME, NS, PTR, SOA, SRV, TXT},
};

use super::name::hex;
use crate::model::{DEFAULT_NAMESPACE, ServiceKey};

/// Times of the SOA record, s. There are no secondaries; absence may not be kept.
const REFRESH: i32 = 3600;
const RETRY: i32 = 600;
const EXPIRE: i32 = 86_400;
const NEGATIVE_TTL: u32 = 0;
/// All instances have this priority: weights tell them apart.
const PRIORITY: u16 = 1;

/// Makes records of a zone.
pub(super) struct Records<'a> {
    pub(super) zone: &'a Name,
    pub(super) datacenter: &'a str,
    pub(super) ttl: u32,
}

impl Records<'_> {
    pub(super) fn address(&self, name: &Name, address: IpAddr) -> Record {
        let data = match address {
            IpAddr::V4(address) => RData::A(A(address)),
            IpAddr::V6(address) => RData::AAAA(AAAA(address)),
        };
        self.record(name, data)
    }

    pub(super) fn alias(&self, name: &Name, target: Name) -> Record {
        self.record(name, RData::CNAME(CNAME(target)))
    }

    pub(super) fn place(&self, name: &Name, target: Name, port: u16, weight: u16) -> Record {
        self.record(name, RData::SRV(SRV::new(PRIORITY, weight, port, target)))
    }

    pub(super) fn pointer(&self, name: &Name, target: Name) -> Record {
        self.record(name, RData::PTR(PTR(target)))
    }

    pub(super) fn text(&self, name: &Name, text: String) -> Record {
        self.record(name, RData::TXT(TXT::new(vec![text])))
    }

    /// Who answers for the zone; `None` when the node's name cannot stand in one.
    pub(super) fn server(&self, node: &str) -> Option<Record> {
        Some(self.record(self.zone, RData::NS(NS(self.node(node)?))))
    }

    /// The start of authority; `None` when the zone's name leaves no room for those in it.
    pub(super) fn soa(&self, serial: u32) -> Option<Record> {
        let server = self.below(&["ns"])?;
        let person = self.below(&["hostmaster"])?;
        let soa = SOA::new(server, person, serial, REFRESH, RETRY, EXPIRE, NEGATIVE_TTL);
        Some(self.record(self.zone, RData::SOA(soa)))
    }

    /// `NODE.node.DATACENTER.ZONE`; `None` when that is no name.
    pub(super) fn node(&self, node: &str) -> Option<Name> {
        let labels = node.split('.').chain(["node", self.datacenter]);
        self.below(&labels.collect::<Vec<_>>())
    }

    /// `SERVICE.service.DATACENTER.ZONE`, or `SERVICE.service.NAMESPACE.ns.DATACENTER.dc.ZONE`; `None` when
    /// that is no name.
    pub(super) fn service(&self, key: &ServiceKey) -> Option<Name> {
        let (service, datacenter) = (&*key.service, self.datacenter);
        match &*key.namespace {
            DEFAULT_NAMESPACE => self.below(&[service, "service", datacenter]),
            other => self.below(&[service, "service", other, "ns", datacenter, "dc"]),
        }
    }

    /// `HEX.addr.DATACENTER.ZONE`
    pub(super) fn named(&self, address: IpAddr) -> Option<Name> {
        self.below(&[&hex(address), "addr", self.datacenter])
    }

    fn below(&self, labels: &[&str]) -> Option<Name> {
        let labels = labels.iter().map(|label| label.as_bytes());
        let name = Name::from_labels(labels).ok()?;
        name.append_domain(self.zone).ok()
    }

    fn record(&self, name: &Name, data: RData) -> Record {
        Record::from_rdata(name.clone(), self.ttl, data)
    }
}
