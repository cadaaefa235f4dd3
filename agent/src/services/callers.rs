//! Which process calls: budgets, tag rules and the audit log go by that, never by an address that many share.
//!
//! Asked once for each connection. The owner of a socket is known by its inode, which only descriptors of
//! processes show; one thread looks through them for all connections that wait, and rests between two looks
//! through all processes, so that connecting often costs the caller and not the machine.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use ::config::caller::{Proof, Reader};
use futures_util::future::BoxFuture;
use registry::{CallerIdentity, Identified, Peer, model::Name};
use tokio::sync::{mpsc, oneshot};

use super::{Targets, sock_diag};
use crate::discovery::Procfs;

/// Connections that wait to be told; further ones are known by their address and port.
const WAITING: usize = 1_024;
/// How long a connection waits.
const PATIENCE: Duration = Duration::from_millis(500);
/// A look through all processes is followed by a rest so many times as long.
const REST: u32 = 9;
/// Processes that connected last; they are looked at first.
const RECENT: usize = 16;
/// Between two looks for the network namespaces of the node.
const NAMESPACES: Duration = Duration::from_secs(2);

/// Tells callers apart by process.
#[derive(Debug)]
pub struct Callers {
    /// Whoever looks for processes; nobody does when there could be no thread for it.
    questions: Option<mpsc::Sender<Question>>,
}

/// What is known of a caller.
#[derive(Clone, Debug)]
struct Known {
    name: Name,
    user: Option<u32>,
}

#[derive(Debug)]
struct Question {
    peer: Peer,
    answer: oneshot::Sender<Known>,
}

impl Callers {
    /// Starts the thread; it ends with what it answers to.
    #[must_use]
    pub fn start(targets: Arc<Targets>) -> Self {
        let (questions, asked) = mpsc::channel(WAITING);
        let finder = Finder {
            procfs: Procfs::default(),
            targets,
            recent: VecDeque::new(),
            own: None,
            namespaces: HashMap::new(),
            namespaces_at: None,
            rested_at: Instant::now(),
        };
        let started = thread::Builder::new()
            .name("callers".to_owned())
            .spawn(move || finder.answer(asked));
        if let Err(error) = &started {
            tracing::error!(%error, "callers are told apart by connection only");
        }
        Self {
            questions: started.is_ok().then_some(questions),
        }
    }

    async fn known(&self, peer: Peer) -> Known {
        let (answer, answered) = oneshot::channel();
        let asked = self.questions.as_ref().is_some_and(|questions| {
            let question = Question { peer, answer };
            questions.try_send(question).is_ok()
        });
        if !asked {
            return unknown(&peer);
        }
        match tokio::time::timeout(PATIENCE, answered).await {
            Ok(Ok(known)) => known,
            _ => unknown(&peer),
        }
    }
}

impl CallerIdentity for Callers {
    fn identify(&self, peer: &Peer) -> Identified<'_> {
        let peer = *peer;
        Box::pin(async move { self.known(peer).await.name })
    }
}

impl ::config::caller::CallerIdentity for Callers {
    fn identify<'a>(&'a self, peer: &'a Peer) -> BoxFuture<'a, Reader> {
        Box::pin(async move {
            let known = self.known(*peer).await;
            let name = known.name.to_string();
            let user = known.user.map(|uid| Proof::Process(format!("uid:{uid}")));
            let mut proofs = vec![Proof::Process(name.clone())];
            proofs.extend(user);
            Reader { name, proofs }
        })
    }
}

/// A caller of whom only the connection is known: it shares its budget with nobody.
fn unknown(peer: &Peer) -> Known {
    match peer {
        Peer::Tcp { remote, .. } => Known {
            name: format!("connection {remote}").into(),
            user: None,
        },
        Peer::Unix { pid, uid } => Known {
            name: format!("pid {pid} uid {uid}").into(),
            user: Some(*uid),
        },
    }
}

/// What the thread knows.
struct Finder {
    procfs: Procfs,
    targets: Arc<Targets>,
    recent: VecDeque<u32>,
    /// Addresses of the own network namespace.
    own: Option<HashSet<IpAddr>>,
    /// A process in each other network namespace of the node, by the namespace's addresses.
    namespaces: HashMap<IpAddr, u32>,
    namespaces_at: Option<Instant>,
    /// When all processes may be looked through again.
    rested_at: Instant,
}

impl Finder {
    fn answer(mut self, mut asked: mpsc::Receiver<Question>) {
        while let Some(first) = asked.blocking_recv() {
            let mut questions = vec![first];
            while let Ok(next) = asked.try_recv() {
                questions.push(next);
            }
            let inodes: Vec<Option<u64>> = questions
                .iter()
                .map(|question| self.inode(&question.peer))
                .collect();
            let owners = self.owners(inodes.iter().copied().flatten().collect());
            for (question, inode) in questions.into_iter().zip(inodes) {
                let owner = inode.and_then(|inode| owners.get(&inode).copied());
                let known = self.known(&question.peer, owner);
                // Whoever hung up needs no name.
                drop(question.answer.send(known));
            }
        }
    }

    /// Inode of the caller's socket.
    fn inode(&mut self, peer: &Peer) -> Option<u64> {
        let Peer::Tcp { remote, local } = *peer else {
            return None;
        };
        let (remote, local) = (canonical(remote), canonical(local));
        if self.is_own(remote.ip()) {
            return sock_diag::inode(remote, local).ok().flatten();
        }
        let pid = self.namespace_of(remote.ip())?;
        self.procfs.connected(pid, remote, local).ok().flatten()
    }

    fn is_own(&mut self, ip: IpAddr) -> bool {
        if ip.is_loopback() {
            return true;
        }
        let procfs = &self.procfs;
        let own = self.own.get_or_insert_with(|| {
            let addresses = procfs.own_addresses(std::process::id());
            addresses.unwrap_or_default().into_iter().collect()
        });
        own.contains(&ip)
    }

    /// A process in the network namespace that has this address.
    fn namespace_of(&mut self, ip: IpAddr) -> Option<u32> {
        let is_old = self
            .namespaces_at
            .is_none_or(|at| at.elapsed() > NAMESPACES);
        if is_old && !self.namespaces.contains_key(&ip) {
            self.namespaces_at = Some(Instant::now());
            self.own = None;
            self.namespaces = self.read_namespaces();
        }
        self.namespaces.get(&ip).copied()
    }

    fn read_namespaces(&self) -> HashMap<IpAddr, u32> {
        let own = self.procfs.namespace(std::process::id(), "net").ok();
        let mut seen: HashSet<u64> = own.into_iter().collect();
        let mut found = HashMap::new();
        for subject in (self.targets.list)() {
            let pid = subject.id.pid;
            let Ok(namespace) = self.procfs.namespace(pid, "net") else {
                continue;
            };
            if seen.insert(namespace) {
                let addresses = self.procfs.own_addresses(pid).unwrap_or_default();
                let others = addresses.into_iter().filter(|ip| !ip.is_loopback());
                found.extend(others.map(|ip| (ip, pid)));
            }
        }
        found
    }

    /// Processes that have these sockets open: those that called last are asked first, then the observed ones,
    /// then all.
    fn owners(&mut self, mut wanted: HashSet<u64>) -> HashMap<u64, u32> {
        let mut owners = HashMap::new();
        if wanted.is_empty() {
            return owners;
        }
        let observed = (self.targets.list)().into_iter();
        let mut first: Vec<u32> = self.recent.iter().copied().collect();
        first.extend(observed.map(|subject| subject.id.pid));
        self.look(&first, &mut wanted, &mut owners);
        if !wanted.is_empty() {
            thread::sleep(self.rested_at.saturating_duration_since(Instant::now()));
            let started = Instant::now();
            let all = self.procfs.pids().unwrap_or_default();
            self.look(&all, &mut wanted, &mut owners);
            self.rested_at = Instant::now() + started.elapsed() * REST;
        }
        owners
    }

    fn look(&mut self, pids: &[u32], wanted: &mut HashSet<u64>, owners: &mut HashMap<u64, u32>) {
        for pid in pids {
            if wanted.is_empty() {
                return;
            }
            for inode in self.procfs.sockets(*pid).unwrap_or_default() {
                if wanted.remove(&inode) {
                    owners.insert(inode, *pid);
                    self.called(*pid);
                }
            }
        }
    }

    fn called(&mut self, pid: u32) {
        self.recent.retain(|known| *known != pid);
        self.recent.push_front(pid);
        self.recent.truncate(RECENT);
    }

    fn known(&self, peer: &Peer, owner: Option<u32>) -> Known {
        match *peer {
            Peer::Unix { pid, uid } if pid != 0 => Known {
                name: self.process(pid),
                user: Some(uid),
            },
            _ => match owner {
                Some(pid) => Known {
                    name: self.process(pid),
                    user: self.procfs.user(pid).ok(),
                },
                None => self.without_process(peer),
            },
        }
    }

    fn without_process(&self, peer: &Peer) -> Known {
        match *peer {
            // Somebody in a pod of this node, whom nobody observes.
            Peer::Tcp { remote, .. } if self.namespaces.contains_key(&canonical(remote).ip()) => {
                Known {
                    name: format!("address {}", canonical(remote).ip()).into(),
                    user: None,
                }
            }
            _ => unknown(peer),
        }
    }

    fn process(&self, pid: u32) -> Name {
        let mut observed = (self.targets.list)().into_iter();
        if let Some(subject) = observed.find(|subject| subject.id.pid == pid) {
            let service = &subject.resource.service_name;
            return format!("service {service} pid {pid}").into();
        }
        let executable = self.procfs.executable(pid).unwrap_or_default();
        let program = executable.rsplit('/').next().unwrap_or_default();
        match program {
            "" => format!("process pid {pid}").into(),
            program => format!("process {program} pid {pid}").into(),
        }
    }
}

/// An IPv4 address is one, also on a socket of version 6.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use tokio::sync::watch;

    use super::*;

    fn callers() -> Callers {
        let (_, changes) = watch::channel(0);
        let list = Box::new(Vec::new);
        let settled = Box::new(|| true);
        let targets = Targets {
            list,
            changes,
            settled,
        };
        Callers::start(Arc::new(targets))
    }

    #[tokio::test]
    async fn a_connection_on_this_machine_is_its_process() {
        let callers = callers();
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let local = listener.local_addr().expect("known");
        let client = TcpStream::connect(local).expect("connected");
        let remote = client.local_addr().expect("known");
        let name = CallerIdentity::identify(&callers, &Peer::Tcp { remote, local }).await;
        let own = std::process::id();
        assert!(
            name.starts_with("process golens-") && name.ends_with(&format!(" pid {own}")),
            "{name}"
        );
        let unix = CallerIdentity::identify(&callers, &Peer::Unix { pid: own, uid: 0 }).await;
        assert_eq!(unix, name);
        let peer = Peer::Tcp { remote, local };
        let reader = ::config::caller::CallerIdentity::identify(&callers, &peer);
        let user = Procfs::default().user(own).expect("is there");
        let proofs = [
            Proof::Process(name.to_string()),
            Proof::Process(format!("uid:{user}")),
        ];
        assert_eq!(reader.await.proofs, proofs);
    }

    #[tokio::test]
    async fn a_connection_from_elsewhere_has_a_name_of_its_own() {
        let (remote, local) = ("192.0.2.7:4711", "192.0.2.1:8500");
        let peer = Peer::Tcp {
            remote: remote.parse().expect("an address"),
            local: local.parse().expect("an address"),
        };
        assert_eq!(
            &*CallerIdentity::identify(&callers(), &peer).await,
            "connection 192.0.2.7:4711"
        );
    }
}
