//! What a node pays for what other nodes say: a change in etcd until it is in the local view.
//!
//! `cargo bench -p golens-registry --bench cluster`; etcd as for the tests of clusters. Another node has put
//! 10,000 instances of 100 services there, and their records are changed by a client that does nothing else.
#![expect(clippy::print_stdout, reason = "figures are what a benchmark is for")]
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on must stop where it is"
)]

#[path = "../tests/cluster/common/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the tests need more of it")]
mod common;

use std::time::{Duration, Instant};

use registry::{
    cluster::{
        Settings,
        proto::{
            KeyValue, PutRequest, RangeRequest, RequestOp, TxnRequest, kv_client::KvClient,
            request_op::Request,
        },
    },
    model::Registration,
};
use tonic::transport::{Channel, Endpoint};

use self::common::{Etcd, Node, settings};

const SERVICES: usize = 100;
const INSTANCES: usize = 10_000;
const ONE_BY_ONE: usize = 500;
/// Puts that are under way at one time.
const AT_ONCE: usize = 64;
/// What every record says before it is changed.
const PORT: &str = "\"port\":8080";

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let etcd = Etcd::start().await;
    let settings = Settings {
        lease_ttl: Duration::from_secs(3_600),
        call_timeout: Duration::from_secs(3),
        ..settings(etcd.address)
    };
    let endpoint = Endpoint::from_shared(format!("http://{}", etcd.address)).unwrap();
    let client = Client(KvClient::new(endpoint.connect().await.unwrap()));
    publish(settings.clone()).await;
    let records = client.records().await;
    assert_eq!(records.len(), INSTANCES);

    let (begin, before) = (Instant::now(), processor_time());
    let node = Node::join("b", settings).await;
    until(|| node.status().remote_instances == INSTANCES as u64).await;
    let (took, cpu) = (begin.elapsed(), processor_time() - before);
    println!("read 10,000 instances of another node: {took:.0?}, processor time {cpu:.0?}");

    one_by_one(&node, &client, &records).await;

    // Nobody follows these: what the client costs.
    let before = processor_time();
    client.put_all(&records, "/elsewhere", 9_000).await;
    let of_client = processor_time() - before;
    let (begin, before) = (Instant::now(), processor_time());
    client.put_all(&records, "", 9_001).await;
    let sent = begin.elapsed();
    until(|| {
        records
            .iter()
            .rev()
            .all(|record| record.is_at(&node, 9_001))
    })
    .await;
    let took = begin.elapsed();
    let cpu = (processor_time() - before).saturating_sub(of_client);
    println!(
        "10,000 changes at once: etcd took them in {sent:.1?}, all were seen {:.1?} later; processor time of \
         the node {:.0?} for each",
        took - sent,
        cpu / INSTANCES as u32
    );
    node.end();
}

/// Another node that tells what it has, and dies.
async fn publish(settings: Settings) {
    let node = Node::join("a", settings).await;
    let registrations = (0..INSTANCES).map(|number| Registration {
        address: "10.0.0.7".to_owned(),
        port: 8080,
        ..Registration::new(
            node.key("default", &format!("i-{number:05}")),
            format!("service-{:02}", number % SERVICES),
        )
    });
    futures_util::future::join_all(registrations.map(|registration| node.add(registration))).await;
    until(|| node.status().published == INSTANCES as u64).await;
    node.end();
}

/// Time from etcd's acknowledgement to the local view, for changes that come alone.
async fn one_by_one(node: &Node, client: &Client, records: &[Record]) {
    let before = processor_time();
    let mut times = Vec::with_capacity(ONE_BY_ONE);
    for (number, record) in records.iter().step_by(INSTANCES / ONE_BY_ONE).enumerate() {
        let port = u16::try_from(number + 1).unwrap();
        client.put(record, "", port).await;
        let begin = Instant::now();
        while !record.is_at(node, port) {
            tokio::task::yield_now().await;
        }
        times.push(begin.elapsed());
    }
    times.sort();
    println!(
        "one change, from etcd's acknowledgement to the view: median {:.2?}, 99 % {:.2?}, slowest {:.2?} ({:.0?} of \
         processor time each, with the client that looks all the time)",
        times[times.len() / 2],
        times[times.len() * 99 / 100],
        times[times.len() - 1],
        (processor_time() - before) / ONE_BY_ONE as u32
    );
}

/// One key of the other node.
#[derive(Clone)]
struct Record {
    kv: KeyValue,
    instance: registry::model::InstanceKey,
}

impl Record {
    fn is_at(&self, node: &Node, port: u16) -> bool {
        let instance = node.registry.instance(&self.instance);
        instance.is_some_and(|instance| instance.port == port)
    }
}

#[derive(Clone)]
struct Client(KvClient<Channel>);

impl Client {
    async fn records(&self) -> Vec<Record> {
        let all = RangeRequest {
            key: b"/golens/registry/default/".to_vec(),
            range_end: b"/golens/registry/default0".to_vec(),
            ..RangeRequest::default()
        };
        let mut client = self.0.clone().max_decoding_message_size(usize::MAX);
        let answer = client.range(all).await.unwrap().into_inner();
        let record = |kv: KeyValue| {
            let id = kv.key.rsplit(|byte| *byte == b'/').next().unwrap();
            let instance = registry::model::InstanceKey {
                namespace: "default".into(),
                node: "a".into(),
                id: std::str::from_utf8(id).unwrap().into(),
            };
            Record { kv, instance }
        };
        answer.kvs.into_iter().map(record).collect()
    }

    /// Puts a record anew, at another port.
    async fn put(&self, record: &Record, prefix: &str, port: u16) {
        let value = std::str::from_utf8(&record.kv.value).unwrap();
        let value = value.replace(PORT, &format!("\"port\":{port}"));
        let put = PutRequest {
            key: [prefix.as_bytes(), &record.kv.key].concat(),
            value: value.into_bytes(),
            lease: record.kv.lease,
        };
        let transaction = TxnRequest {
            success: vec![RequestOp {
                request: Some(Request::RequestPut(put)),
            }],
            ..TxnRequest::default()
        };
        self.0.clone().txn(transaction).await.unwrap();
    }

    async fn put_all(&self, records: &[Record], prefix: &str, port: u16) {
        for part in records.chunks(AT_ONCE) {
            let puts = part.iter().map(|record| self.put(record, prefix, port));
            futures_util::future::join_all(puts).await;
        }
    }
}

async fn until(mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "not within a minute"
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Processor time of this process, in steps of 10 ms.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let ticks = fields.split(' ').skip(11).take(2);
    let ticks: u64 = ticks.map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}
