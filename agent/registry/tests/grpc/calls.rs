//! Register, Deregister, Resolve, SetTags, KeepAlive.

use registry::grpc::v1;
use tokio_stream::iter;
use tonic::Code;
use tonic_types::StatusExt;

use crate::server::{Wishes, id, instance, register, start, ttl};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_registered_is_found_until_it_is_removed() {
    let running = start(Wishes::default()).await;
    let mut client = running.client().await;
    let said = v1::Instance {
        metadata: [("team".to_owned(), "a b".to_owned())].into(),
        ports: vec![v1::Port {
            name: "grpc".to_owned(),
            port: 9000,
            default: true,
        }],
        weights: Some(v1::Weights {
            passing: 5,
            warning: 1,
        }),
        ..instance("web", "1", &["v1"])
    };
    let revision = register(&mut client, said.clone(), v1::Status::Passing).await;
    let again = v1::RegisterRequest {
        instance: Some(said.clone()),
        checks: vec![ttl(3600, v1::Status::Unspecified)],
        replace_checks: false,
    };
    let again = client.register(again).await.unwrap().into_inner();
    assert_eq!((again.revision, again.changed), (revision, false));

    let request = v1::ResolveRequest {
        service: "web".to_owned(),
        ..v1::ResolveRequest::default()
    };
    let found = client.resolve(request).await.unwrap().into_inner();
    assert_eq!(found.revision, revision);
    let check = v1::CheckResult {
        id: "service:1".to_owned(),
        name: "service:1".to_owned(),
        status: v1::Status::Passing.into(),
        output: String::new(),
    };
    let expected = v1::Instance {
        id: Some(v1::InstanceId {
            namespace: "default".to_owned(),
            node: "node-1".to_owned(),
            id: "1".to_owned(),
        }),
        address: "10.0.0.1".to_owned(),
        health: v1::Health::Passing.into(),
        checks: vec![check],
        source: v1::Source::Api.into(),
        create_revision: revision,
        modify_revision: revision,
        ..said
    };
    assert_eq!(found.instances, [expected]);

    let request = v1::DeregisterRequest { id: Some(id("1")) };
    let removed = client.deregister(request.clone()).await.unwrap();
    assert!(removed.into_inner().revision > revision);
    let refused = client.deregister(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    let reason = refused.get_details_error_info().unwrap().reason;
    assert_eq!(reason, "unknown");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_registration_is_refused_with_its_field() {
    let running = start(Wishes::default()).await;
    let mut client = running.client().await;
    let mut refused = async |request: v1::RegisterRequest| {
        let status = client.register(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        status.message().to_owned()
    };
    let with = |instance: v1::Instance| v1::RegisterRequest {
        instance: Some(instance),
        ..v1::RegisterRequest::default()
    };
    assert_eq!(
        refused(v1::RegisterRequest::default()).await,
        "instance is missing"
    );
    assert_eq!(
        refused(with(instance("", "1", &[]))).await,
        "the service is empty"
    );
    let far = v1::Instance {
        port: 70_000,
        ..instance("web", "1", &[])
    };
    assert_eq!(refused(with(far)).await, "port is greater than 65535");
    let no_probe = v1::RegisterRequest {
        checks: vec![v1::Check::default()],
        ..with(instance("web", "1", &[]))
    };
    assert_eq!(refused(no_probe).await, "probe is missing");
    let no_ttl = v1::RegisterRequest {
        checks: vec![ttl(0, v1::Status::Passing)],
        ..with(instance("web", "1", &[]))
    };
    assert_eq!(refused(no_ttl).await, "ttl is missing or zero");
    assert_eq!(running.registry.statistics().instances, 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_are_answered_one_by_one() {
    let running = start(Wishes::default()).await;
    let mut client = running.client().await;
    register(&mut client, instance("web", "1", &[]), v1::Status::Critical).await;
    let two = v1::RegisterRequest {
        instance: Some(instance("db", "2", &[])),
        checks: vec![ttl(30, v1::Status::Critical), ttl(20, v1::Status::Critical)],
        replace_checks: false,
    };
    client.register(two).await.unwrap();
    let beat = |name: &str, check: &str, status: v1::Status| v1::KeepAliveRequest {
        id: Some(id(name)),
        check: check.to_owned(),
        status: status.into(),
        output: "so it is".to_owned(),
    };
    let beats = [
        beat("1", "", v1::Status::Unspecified),
        beat("2", "", v1::Status::Warning),
        beat("2", "service:2:1", v1::Status::Passing),
        beat("3", "", v1::Status::Passing),
        beat("2", "service:2:3", v1::Status::Passing),
    ];
    let mut answers = client.keep_alive(iter(beats)).await.unwrap().into_inner();
    let mut got = Vec::new();
    while let Some(answer) = answers.message().await.unwrap() {
        let ttl = answer.ttl.map(|ttl| ttl.seconds);
        got.push((answer.id.unwrap().id, answer.known, ttl));
    }
    let one = |id: &str, known, ttl| (id.to_owned(), known, ttl);
    assert_eq!(
        got,
        [
            one("1", true, Some(3600)),
            one("2", true, Some(20)),
            one("2", true, Some(30)),
            one("3", false, None),
            one("2", false, None),
        ]
    );
    let said: Vec<_> = ["web", "db"]
        .into_iter()
        .flat_map(|service| {
            running
                .registry
                .service("default", service)
                .unwrap()
                .entries
                .clone()
        })
        .flat_map(|entry| entry.instance.checks.clone())
        .map(|check| (check.status.as_str(), check.output))
        .collect();
    let output = || "so it is".to_owned();
    assert_eq!(
        said,
        [
            ("passing", output()),
            ("passing", output()),
            ("warning", output())
        ]
    );
    assert_eq!(running.registry.statistics().heartbeats, 4);
    running.stop().await;
}
