//! What resolvers would not ask: bytes that are no question, and options that differ from the defaults.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use hickory_proto::{
    op::{Message, Query, ResponseCode},
    rr::{Name, RecordType},
};
use proptest::{collection::vec, prelude::*};
use state::tokens::{Right, Rights};

use super::{Options, Resolver, Zone, resolver::Transport};
use crate::{
    Caller, Registry,
    consul::Settings,
    model::{Addition, CheckSpec, DEFAULT_NAMESPACE, InstanceKey, Registration, Status},
};

/// A folder that goes with its owner.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// A registry with one instance of `web` that warns.
async fn registry() -> (Registry, Folder) {
    let name = format!("golens-dns-{}", state::random_hex::<8>().unwrap());
    let folder = Folder(std::env::temp_dir().join(name));
    let options = crate::Options {
        node: Settings::default().node("node-1", BTreeMap::new()),
        node_checks: Vec::new(),
        state: state::Options::default(),
        probes: crate::ProbeOptions::default(),
        snapshot_interval: None,
    };
    let (registry, _) = Registry::open(&folder.0.join("state.redb"), options)
        .await
        .unwrap();
    let key = InstanceKey {
        namespace: DEFAULT_NAMESPACE.into(),
        node: "node-1".into(),
        id: "web-1".into(),
    };
    let registration = Registration {
        checks: vec![Addition {
            status: Some(Status::Warning),
            ..Addition::new(CheckSpec::external("check", "check"))
        }],
        ..Registration::new(key, "web")
    };
    registry
        .register(registration, &Caller::internal())
        .await
        .unwrap();
    (registry, folder)
}

fn question(name: &str) -> Vec<u8> {
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), RecordType::A));
    message.to_vec().unwrap()
}

fn ask(resolver: &Resolver, name: &str) -> Message {
    let answer = resolver.answer(&question(name), Transport::Udp).unwrap();
    Message::from_vec(&answer).unwrap()
}

#[tokio::test]
async fn options_decide_what_is_shown_to_whom_and_for_how_long() {
    let (registry, _folder) = registry().await;
    let with = |options| Resolver::new(registry.clone(), options);
    let shown = with(Options {
        ttl: std::time::Duration::from_secs(5),
        zones: vec!["Cluster.Local".parse::<Zone>().unwrap()],
        ..Options::default()
    });
    let answer = ask(&shown, "web.service.cluster.local.");
    assert_eq!(answer.answers.len(), 1);
    assert_eq!(answer.answers[0].ttl, 5);
    let code = |resolver: &Resolver, name| ask(resolver, name).metadata.response_code;
    assert_eq!(code(&shown, "web.service.consul."), ResponseCode::Refused);

    let strict = with(Options {
        only_passing: true,
        ..Options::default()
    });
    assert_eq!(code(&strict, "web.service.consul."), ResponseCode::NXDomain);

    let closed = with(Options {
        anonymous: Arc::new(Rights::none().grant("staging", Right::Read)),
        ..Options::default()
    });
    assert_eq!(code(&closed, "web.service.consul."), ResponseCode::Refused);
    assert_eq!(code(&closed, "node-1.node.consul."), ResponseCode::Refused);
    let staging = "web.service.staging.ns.consul.";
    assert_eq!(code(&closed, staging), ResponseCode::NXDomain);
}

#[tokio::test]
async fn answers_are_not_answered_and_garbage_is_refused() {
    let (registry, _folder) = registry().await;
    let resolver = Resolver::new(registry, Options::default());
    let mut answer = question("web.service.consul.");
    answer[2] |= 0x80;
    assert_eq!(resolver.answer(&answer, Transport::Udp), None);
    answer.truncate(20);
    assert_eq!(resolver.answer(&answer, Transport::Udp), None);
    assert_eq!(resolver.answer(&[1, 2], Transport::Udp), None);

    let cut = &question("web.service.consul.")[..20];
    let refusal = resolver.answer(cut, Transport::Udp).unwrap();
    let refusal = Message::from_vec(&refusal).unwrap();
    assert_eq!(refusal.metadata.response_code, ResponseCode::FormErr);
    assert_eq!(refusal.metadata.id.to_be_bytes(), cut[..2]);
}

#[test]
fn no_bytes_make_it_panic_or_answer_with_more_than_fits() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (registry, _folder) = runtime.block_on(registry());
    let resolver = Resolver::new(registry, Options::default());
    let valid = question("_web._tcp.service.consul.");
    let changes = vec((0..valid.len(), any::<u8>()), 0..6);
    proptest!(|(garbage in vec(any::<u8>(), 0..600), changes in changes)| {
        let mut message = valid.clone();
        for (at, byte) in changes {
            message[at] = byte;
        }
        for message in [garbage, message] {
            let answer = resolver.answer(&message, Transport::Udp).unwrap_or_default();
            prop_assert!(answer.len() <= 4096);
        }
    });
}
