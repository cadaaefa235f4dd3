//! Which process listens where, and who reaches that.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use super::Subject;
use crate::{
    discovery::{Listening, ProcessId, Procfs},
    identity::Resource,
};

/// A descriptor that was handed over later shows after this time.
const FORGET: Duration = Duration::from_secs(30);

/// Who reaches a socket, and by which address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Everybody who reaches the node.
    NodeAddress,
    /// Everybody who reaches that address.
    Address,
    /// The programs of this node.
    Node,
    /// Only what shares its network namespace.
    Nobody,
}

/// A listening socket of a process.
#[derive(Clone, Debug)]
pub(super) struct Socket {
    pub(super) id: ProcessId,
    pub(super) resource: Arc<Resource>,
    pub(super) address: SocketAddr,
    pub(super) reach: Reach,
    /// Address that others connect to.
    pub(super) published: IpAddr,
}

/// Finds listening sockets. Descriptors of a process are looked at only when a new socket listens in its
/// network namespace; otherwise a look costs the listening part of one table for each namespace.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    procfs: Procfs,
    known: HashMap<ProcessId, Known>,
    own_namespace: Option<u64>,
}

#[derive(Debug)]
struct Known {
    namespace: u64,
    /// Sockets that listened when its descriptors were looked at, its own and those of others.
    compared: HashSet<u64>,
    own: HashSet<u64>,
    looked: Instant,
}

impl Sockets {
    /// Listening sockets of these processes, ordered by process; each address and port once in a namespace.
    pub(super) fn look(&mut self, mut subjects: Vec<Subject>) -> Vec<Socket> {
        if self.own_namespace.is_none() {
            let own = self.procfs.namespace(std::process::id(), "net");
            self.own_namespace = own.ok();
        }
        subjects.sort_by_key(|subject| (subject.id.start_time_ticks, subject.id.pid));
        let ids: HashSet<ProcessId> = subjects.iter().map(|subject| subject.id).collect();
        self.known.retain(|id, _| ids.contains(id));
        let mut tables: HashMap<u64, Vec<Listening>> = HashMap::new();
        let mut addresses: HashMap<u64, Vec<IpAddr>> = HashMap::new();
        let mut taken = BTreeSet::new();
        let mut found = Vec::new();
        for subject in &subjects {
            let pid = subject.id.pid;
            let Some(namespace) = self.namespace(subject.id) else {
                continue;
            };
            let table = tables
                .entry(namespace)
                .or_insert_with(|| self.procfs.listening(pid).unwrap_or_default());
            let own = self.own(subject.id, namespace, table);
            let mut own: Vec<&Listening> = table
                .iter()
                .filter(|row| own.contains(&row.inode))
                .collect();
            own.sort_unstable();
            for row in own {
                if !taken.insert((namespace, place(row.address))) {
                    continue;
                }
                let is_own_namespace = self.own_namespace == Some(namespace);
                let addresses = addresses
                    .entry(namespace)
                    .or_insert_with(|| self.procfs.own_addresses(pid).unwrap_or_default());
                let (reach, published) = reach(row.address.ip(), is_own_namespace, addresses);
                found.push(Socket {
                    id: subject.id,
                    resource: Arc::clone(&subject.resource),
                    address: row.address,
                    reach,
                    published,
                });
            }
        }
        found
    }

    fn namespace(&self, id: ProcessId) -> Option<u64> {
        match self.known.get(&id) {
            Some(known) => Some(known.namespace),
            None => self.procfs.namespace(id.pid, "net").ok(),
        }
    }

    /// Inodes of `table` that the process has open.
    fn own(&mut self, id: ProcessId, namespace: u64, table: &[Listening]) -> HashSet<u64> {
        let listening: HashSet<u64> = table.iter().map(|row| row.inode).collect();
        let known = self.known.get(&id);
        let is_current = known.is_some_and(|known| {
            known.looked.elapsed() < FORGET && listening.is_subset(&known.compared)
        });
        if !is_current && let Ok(sockets) = self.procfs.sockets(id.pid) {
            let own = sockets
                .into_iter()
                .filter(|inode| listening.contains(inode));
            let known = Known {
                namespace,
                own: own.collect(),
                compared: listening,
                looked: Instant::now(),
            };
            self.known.insert(id, known);
        }
        self.known
            .get(&id)
            .map(|known| known.own.clone())
            .unwrap_or_default()
    }
}

/// A socket on all addresses of one version of IP takes the place of that on all of the other.
fn place(address: SocketAddr) -> (Option<IpAddr>, u16) {
    let ip = Some(address.ip()).filter(|ip| !ip.is_unspecified());
    (ip, address.port())
}

/// Who reaches an address, and how, in a namespace with these addresses.
fn reach(ip: IpAddr, is_own_namespace: bool, addresses: &[IpAddr]) -> (Reach, IpAddr) {
    match (ip.is_unspecified(), ip.is_loopback(), is_own_namespace) {
        (true, _, true) => (Reach::NodeAddress, ip),
        (true, _, false) => match addresses.iter().find(|address| is_routable(**address)) {
            Some(address) => (Reach::Address, *address),
            None => (Reach::Nobody, ip),
        },
        (_, true, true) => (Reach::Node, ip),
        (_, true, false) => (Reach::Nobody, ip),
        _ => (Reach::Address, ip),
    }
}

fn is_routable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_link_local(),
        IpAddr::V6(address) => !address.is_loopback() && !address.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn who_reaches_a_socket_depends_on_its_namespace() {
        let addresses = [ip("127.0.0.1"), ip("10.1.2.3")];
        for (listens, own, expected) in [
            ("0.0.0.0", true, (Reach::NodeAddress, ip("0.0.0.0"))),
            ("::", false, (Reach::Address, ip("10.1.2.3"))),
            ("127.0.0.1", true, (Reach::Node, ip("127.0.0.1"))),
            ("127.0.0.1", false, (Reach::Nobody, ip("127.0.0.1"))),
            ("10.1.2.3", false, (Reach::Address, ip("10.1.2.3"))),
        ] {
            assert_eq!(reach(ip(listens), own, &addresses), expected, "{listens}");
        }
        assert_eq!(reach(ip("::"), false, &[]).0, Reach::Nobody);
    }

    #[test]
    fn the_own_listeners_are_found_and_forgotten() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = listener.local_addr().expect("known");
        let id = ProcessId {
            pid: std::process::id(),
            start_time_ticks: 0,
        };
        let mut sockets = Sockets::default();
        let look = |sockets: &mut Sockets| {
            let resource = super::super::testing::resource("shop");
            let found = sockets.look(vec![Subject { id, resource }]);
            found.iter().any(|socket| socket.address == address)
        };
        assert!(look(&mut sockets));
        drop(listener);
        assert!(!look(&mut sockets));
        let _again = TcpListener::bind(address).expect("bound");
        assert!(look(&mut sockets));
    }
}
