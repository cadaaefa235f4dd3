//! The same of etcd: a put with a lease, a range, a watch.

use std::{
    env, io,
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::{
    TIME, Target, registration,
    watch::{Changes, Follow, THOUSAND},
};
use crate::{
    case::Case,
    load::{Call, GROUP, Grpc, Load, NUMBER, Pace, Transport},
    process::Process,
};

/// etcd slows down with many keys on one lease; golens' own back end puts 200 on each, too.
const KEYS_PER_LEASE: u64 = 200;
const CONNECTIONS: usize = 64;
const START: Duration = Duration::from_secs(20);

#[derive(Clone, PartialEq, prost::Message)]
struct Put {
    #[prost(bytes, tag = "1")]
    key: Vec<u8>,
    #[prost(bytes, tag = "2")]
    value: Vec<u8>,
    #[prost(int64, tag = "3")]
    lease: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Range {
    #[prost(bytes, tag = "1")]
    key: Vec<u8>,
    #[prost(bytes, tag = "2")]
    end: Vec<u8>,
    /// Answered by the node alone, as golens does.
    #[prost(bool, tag = "7")]
    serializable: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Grant {
    #[prost(int64, tag = "1")]
    ttl_s: i64,
    #[prost(int64, tag = "2")]
    id: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Watch {
    #[prost(message, tag = "1")]
    create: Option<Create>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Create {
    #[prost(bytes, tag = "1")]
    key: Vec<u8>,
}

/// Nothing without `GOLENS_ETCD`.
pub(super) fn run(folder: &Path) -> io::Result<Vec<Case>> {
    let Some(program) = env::var_os("GOLENS_ETCD") else {
        return Ok(Vec::new());
    };
    let (process, address) = start(Path::new(&program), folder)?;
    let etcd = Target {
        name: "etcd",
        process: &process,
        address,
    };
    let load = Load {
        transport: Transport::Tcp,
        connections: CONNECTIONS,
        depth: 8,
        pace: Pace::Most,
        time: TIME,
        first: 0,
        most: u64::MAX,
    };
    grant(load, address)?;
    let put = |lease: usize| {
        let request = Put {
            key: format!("/reg/{GROUP}").into_bytes(),
            value: registration("load").into_bytes(),
            lease: lease as i64 + 1,
        };
        // As many keys as leases can hold, so that a key stays with its lease.
        Grpc::message(&request, KEYS_PER_LEASE * CONNECTIONS as u64)
    };
    let mut cases = etcd.rate(
        "put with a lease, gRPC",
        load,
        Some((25_000.0, 1.0)),
        |lease| Grpc::new("/etcdserverpb.KV/Put", Call::Unary, &put(lease)),
    )?;
    let range = Range {
        key: b"/reg/00000001".to_vec(),
        end: b"/reg/00000004".to_vec(),
        serializable: true,
    };
    let range = Grpc::message(&range, 1);
    cases.extend(etcd.rate("range of three keys, gRPC", load, None, |_| {
        Grpc::new("/etcdserverpb.KV/Range", Call::Unary, &range)
    })?);
    cases.push(watch(&process, address)?);
    let memory = process.memory_mib();
    cases.push(Case::value("resident after these", "etcd", memory, "MiB"));
    Ok(cases)
}

fn watch(process: &Process, address: SocketAddr) -> io::Result<Case> {
    let change = Put {
        key: b"watched".to_vec(),
        value: NUMBER.as_bytes().to_vec(),
        lease: 0,
    };
    let change = Grpc::message(&change, 1);
    let mut changes = Changes::by(address, "/etcdserverpb.KV/Put", &change)?;
    let create = Create {
        key: b"watched".to_vec(),
    };
    let create = Watch {
        create: Some(create),
    };
    let create = Grpc::message(&create, 1);
    let follow = Follow {
        name: "etcd",
        process,
        address,
    };
    let wire = |_| Grpc::new("/etcdserverpb.Watch/Watch", Call::OpenStream, &create);
    let case = "change to 1,000 watchers, gRPC";
    Ok(follow.streams(case, THOUSAND, &mut changes, wire)?.0)
}

/// A lease for each connection.
fn grant(load: Load, address: SocketAddr) -> io::Result<()> {
    let grants = Load {
        depth: 1,
        pace: Pace::PerSecond(1_000.0),
        most: CONNECTIONS as u64,
        ..load
    };
    let outcome = grants.run(address, |lease| {
        let grant = Grant {
            ttl_s: 600,
            id: lease as i64 + 1,
        };
        Grpc::new(
            "/etcdserverpb.Lease/LeaseGrant",
            Call::Unary,
            &Grpc::message(&grant, 1),
        )
    })?;
    assert_eq!(outcome.good, CONNECTIONS as u64, "leases are granted");
    Ok(())
}

fn start(program: &Path, folder: &Path) -> io::Result<(Process, SocketAddr)> {
    let free = || TcpListener::bind("127.0.0.1:0")?.local_addr();
    let (clients, peers) = (free()?, free()?);
    let url = |address: SocketAddr| format!("http://{address}");
    let mut command = Command::new(program);
    command
        .arg(format!("--data-dir={}", folder.join("etcd").display()))
        .arg(format!("--listen-client-urls={}", url(clients)))
        .arg(format!("--advertise-client-urls={}", url(clients)))
        .arg(format!("--listen-peer-urls={}", url(peers)))
        .arg(format!("--initial-advertise-peer-urls={}", url(peers)))
        .arg(format!("--initial-cluster=default={}", url(peers)))
        .arg("--log-level=error")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let process = Process::start(&mut command);
    let end = Instant::now() + START;
    while TcpStream::connect(clients).is_err() {
        assert!(Instant::now() < end, "etcd does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok((process, clients))
}
