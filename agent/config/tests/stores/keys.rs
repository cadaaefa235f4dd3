//! Documents from keys in etcd.

use std::{fs, slice};

use base64::{Engine, engine::general_purpose::STANDARD};
use config::{EtcdSettings, EtcdSource, EtcdUser, Happened, Keys, Secret, Source, Trust};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::json;

use crate::{
    definition,
    etcd::{ENCRYPTED, Encryption, Etcd, own_host},
    lost,
    support::{Folder, Node},
    wire::Wire,
};

fn settings(endpoints: &[String], keys: &str) -> EtcdSettings {
    EtcdSettings {
        endpoints: endpoints.to_vec(),
        keys: Keys::of(keys).unwrap(),
        user: None,
        trust: Trust::default(),
    }
}

fn source(url: String, keys: &str) -> EtcdSource {
    EtcdSource::new(settings(&[url], keys)).unwrap()
}

#[tokio::test]
async fn keys_of_a_folder_are_read_and_followed() {
    let etcd = Etcd::start().await;
    etcd.put("/app/base.yaml", "server: {port: 80, name: a}\n")
        .await;
    etcd.put("/app/server/port", "8080").await;
    etcd.put("/apple", "not ours").await;
    let folder = Folder::new();
    let mut node = Node::start(&folder);
    let source = source(etcd.url(), "/app/");
    let _handle = node.watcher.watch(definition(source)).await;
    assert_eq!(node.next().await, Happened::Applied { generation: 1 });
    assert_eq!(
        node.document(),
        json!({"server": {"port": 8080, "name": "a"}})
    );

    etcd.put_together(&[("/app/server/port", "8081"), ("/app/tls", "true")])
        .await;
    assert_eq!(node.next().await, Happened::Applied { generation: 2 });
    let both = json!({"server": {"port": 8081, "name": "a"}, "tls": true});
    assert_eq!(node.document(), both);

    etcd.delete("/app/server/port").await;
    assert_eq!(node.next().await, Happened::Applied { generation: 3 });
    let without = json!({"server": {"port": 80, "name": "a"}, "tls": true});
    assert_eq!(node.document(), without);
    node.nothing_else();
}

#[tokio::test]
async fn more_keys_than_a_page_are_read_at_one_revision() {
    let etcd = Etcd::start().await;
    let rows: Vec<_> = (0..1_201)
        .map(|nth| (format!("/many/k{nth:04}"), nth.to_string()))
        .collect();
    for rows in rows.chunks(100) {
        let rows: Vec<_> = rows.iter().map(|(key, value)| (&**key, &**value)).collect();
        etcd.put_together(&rows).await;
    }
    let folder = Folder::new();
    let mut node = Node::start(&folder);
    let source = source(etcd.url(), "/many/");
    let _handle = node.watcher.watch(definition(source)).await;
    assert_eq!(node.next().await, Happened::Applied { generation: 1 });
    let document = node.document();
    assert_eq!(document.as_object().unwrap().len(), 1_201);
    assert_eq!(document["k1200"], 1_200);
}

#[tokio::test]
async fn an_outage_keeps_what_is_in_force_and_misses_nothing() {
    let mut etcd = Etcd::start().await;
    etcd.put("/app.json", r#"{"port": 1}"#).await;
    let mut wire = Wire::to(etcd.address).await;
    let folder = Folder::new();
    let mut node = Node::start(&folder);
    let source = source(format!("http://{}", wire.address), "/app.json");
    let handle = node.watcher.watch(definition(source)).await;
    assert_eq!(node.next().await, Happened::Applied { generation: 1 });

    wire.cut().await;
    let reason = lost(node.next().await);
    assert!(reason.contains(&wire.address.to_string()), "{reason}");
    assert_eq!(
        (node.generation(), node.document()),
        (1, json!({"port": 1}))
    );
    // What happens meanwhile is not even kept by etcd, which is started again as well.
    etcd.put("/app.json", r#"{"port": 2}"#).await;
    etcd.put("/app.json", r#"{"port": 3}"#).await;
    etcd.compact().await;
    etcd.kill();
    etcd.restart().await;
    wire.mend().await;
    assert!(matches!(node.next().await, Happened::SourceBack { .. }));
    assert_eq!(node.next().await, Happened::Applied { generation: 2 });
    assert_eq!(node.document(), json!({"port": 3}));

    // A key that is deleted is a source that is gone, not an empty document.
    etcd.delete("/app.json").await;
    assert_eq!(lost(node.next().await), "is gone");
    assert_eq!(
        (node.generation(), node.document()),
        (2, json!({"port": 3}))
    );
    node.nothing_else();
    handle.close().await;
}

#[tokio::test]
async fn a_node_that_starts_without_etcd_has_what_it_read_last() {
    let mut etcd = Etcd::start().await;
    etcd.put("/app.json", r#"{"port": 1}"#).await;
    let folder = Folder::new();
    let mut node = Node::start(&folder);
    let handle = node
        .watcher
        .watch(definition(source(etcd.url(), "/app.json")))
        .await;
    assert_eq!(node.next().await, Happened::Applied { generation: 1 });
    handle.close().await;
    drop(node);

    etcd.kill();
    let mut node = Node::start(&folder);
    let _handle = node
        .watcher
        .watch(definition(source(etcd.url(), "/app.json")))
        .await;
    assert!(lost(node.next().await).contains("cannot connect"));
    assert_eq!(
        (node.generation(), node.document()),
        (1, json!({"port": 1}))
    );
    etcd.restart().await;
    assert!(matches!(node.next().await, Happened::SourceBack { .. }));
    etcd.put("/app.json", r#"{"port": 2}"#).await;
    assert_eq!(node.next().await, Happened::Applied { generation: 2 });
    assert_eq!(node.document(), json!({"port": 2}));
}

#[tokio::test]
async fn a_member_that_is_lost_is_no_outage() {
    let etcd = Etcd::start().await;
    etcd.put("/app.json", r#"{"port": 1}"#).await;
    let (mut first, second) = (Wire::to(etcd.address).await, Wire::to(etcd.address).await);
    let urls = [&first, &second].map(|wire| format!("http://{}", wire.address));
    let folder = Folder::new();
    let mut node = Node::start(&folder);
    let source = EtcdSource::new(settings(&urls, "/app.json"));
    let _handle = node.watcher.watch(definition(source.unwrap())).await;
    assert_eq!(node.next().await, Happened::Applied { generation: 1 });
    first.cut().await;
    etcd.put("/app.json", r#"{"port": 2}"#).await;
    assert_eq!(node.next().await, Happened::Applied { generation: 2 });
    assert_eq!(node.document(), json!({"port": 2}));
    node.nothing_else();
}

#[tokio::test]
async fn an_etcd_that_falls_silent_is_an_outage() {
    let etcd = Etcd::start().await;
    etcd.put("/app.json", r#"{"port": 1}"#).await;
    let folder = Folder::new();
    let mut node = Node::start(&folder);
    let source = source(etcd.url(), "/app.json");
    let _handle = node.watcher.watch(definition(source)).await;
    assert_eq!(node.next().await, Happened::Applied { generation: 1 });
    etcd.pause();
    let reason = lost(node.next().await);
    assert!(reason.contains("within 3s"), "{reason}");
    assert_eq!(node.document(), json!({"port": 1}));
    etcd.resume();
    assert!(matches!(node.next().await, Happened::SourceBack { .. }));
    etcd.put("/app.json", r#"{"port": 2}"#).await;
    assert_eq!(node.next().await, Happened::Applied { generation: 2 });
}

#[tokio::test]
async fn a_user_sees_what_its_role_allows() {
    let etcd = Etcd::start().await;
    etcd.put("/app/port", "1").await;
    etcd.protect("node", "secret", "/app/", "/app0").await;
    let with = |name: &str, password: &str, keys: &str| {
        let password = Secret::new(password.to_owned());
        let user = EtcdUser {
            name: name.to_owned(),
            password,
        };
        let settings = EtcdSettings {
            user: Some(user),
            ..settings(&[etcd.url()], keys)
        };
        EtcdSource::new(settings).unwrap()
    };
    let refused = with("node", "wrong", "/app/").read().await.unwrap_err();
    assert!(refused.reason.contains("the password"), "{refused}");
    assert!(!refused.reason.contains("wrong"), "{refused}");
    let refused = with("node", "secret", "/other/").read().await.unwrap_err();
    assert!(refused.reason.contains("permission denied"), "{refused}");
    let refused = source(etcd.url(), "/app/").read().await.unwrap_err();
    assert!(refused.reason.contains("user name is empty"), "{refused}");

    let folder = Folder::new();
    let mut node = Node::start(&folder);
    let source = with("node", "secret", "/app/");
    let _handle = node.watcher.watch(definition(source)).await;
    assert_eq!(node.next().await, Happened::Applied { generation: 1 });
    etcd.put_as_root("/app/port", "2").await;
    assert_eq!(node.next().await, Happened::Applied { generation: 2 });
    assert_eq!(node.document(), json!({"port": 2}));
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

#[tokio::test]
async fn both_sides_prove_themselves() {
    let folder = Folder::new();
    let file = |name: &str, text: &str| {
        let path = folder.0.join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let host = own_host();
    let authority = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = file(
        "ca.pem",
        &pem("CERTIFICATE", params.self_signed(&authority).unwrap().der()),
    );
    let issuer = Issuer::new(params, authority);
    let issue = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([host.to_string()]).unwrap();
        let signed = params.signed_by(&key, &issuer).unwrap();
        let certificate = file(&format!("{name}.pem"), &pem("CERTIFICATE", signed.der()));
        (
            certificate,
            file(
                &format!("{name}.key"),
                &pem("PRIVATE KEY", &key.serialize_der()),
            ),
        )
    };
    let (certificate, key) = issue("server");
    let encryption = Encryption {
        certificate,
        key,
        authority: root.clone(),
    };
    let etcd = Etcd::on(host, Some(encryption)).await;
    etcd.put("/app/port", "1").await;
    let url = format!("https://{host}:{ENCRYPTED}");
    let with = |trust| {
        let settings = EtcdSettings {
            trust,
            ..settings(slice::from_ref(&url), "/app/")
        };
        EtcdSource::new(settings).unwrap()
    };
    let known = Trust {
        authority: Some(root.clone()),
        certificate: Some(issue("node")),
    };
    with(known).read().await.unwrap();
    let unknown_node = Trust {
        authority: Some(root),
        certificate: None,
    };
    with(unknown_node).read().await.unwrap_err();
    let unknown_server = with(Trust::default()).read().await.unwrap_err();
    assert!(
        unknown_server.reason.contains("certificate"),
        "{unknown_server}"
    );
}

#[tokio::test]
async fn what_cannot_be_used_is_said_at_once() {
    let refused = |settings| EtcdSource::new(settings).unwrap_err().reason;
    assert_eq!(
        refused(settings(&[], "/a/")),
        "no endpoint of etcd is given"
    );
    let reason = refused(settings(&["10.0.0.5".to_owned()], "/a/"));
    assert!(reason.contains("is no address of etcd"), "{reason}");
    let mut with_files = settings(&["https://127.0.0.1:1".to_owned()], "/a/");
    with_files.trust.authority = Some("/nowhere/ca.pem".into());
    let reason = refused(with_files);
    assert!(reason.contains("cannot read /nowhere/ca.pem"), "{reason}");
}
