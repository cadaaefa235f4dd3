//! Tokens, rights, budgets, health.

use registry::{
    Limits,
    grpc::{SERVICE, v1},
    state::{
        Tx,
        tokens::{self, Issued, NewToken, Right, Rights, TokenError},
    },
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_types::StatusExt;

use crate::server::{Running, Wishes, id, instance, start};

async fn token(running: &Running, rights: Rights) -> Issued {
    let new = NewToken {
        description: "test".to_owned(),
        rights,
        lifetime: None,
    };
    let issue = move |tx: &mut Tx<'_>| tokens::issue(tx, new);
    let issued = running.registry.store().write::<_, TokenError>(issue).await;
    issued.unwrap().value
}

fn with<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    let value = format!("Bearer {token}").parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}

fn registration(namespace: &str) -> v1::RegisterRequest {
    let mut instance = instance("web", "1", &[]);
    instance.id = Some(v1::InstanceId {
        namespace: namespace.to_owned(),
        ..id("1")
    });
    v1::RegisterRequest {
        instance: Some(instance),
        ..v1::RegisterRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_reaches_as_far_as_its_namespace() {
    let running = start(Wishes {
        anonymous: Some(Rights::none()),
        ..Wishes::default()
    })
    .await;
    let mut client = running.client().await;
    let rights = Rights::none()
        .grant("dev", Right::Write)
        .grant("prod", Right::Read);
    let secret = token(&running, rights).await.secret;
    client
        .register(with(registration("dev"), &secret))
        .await
        .unwrap();
    let code = |result: Result<_, tonic::Status>| result.map(drop).unwrap_err();
    let denied = code(client.register(with(registration("prod"), &secret)).await);
    assert_eq!(denied.code(), Code::PermissionDenied);
    assert_eq!(denied.get_details_error_info().unwrap().reason, "denied");
    let denied = code(client.register(registration("dev")).await);
    assert_eq!(denied.code(), Code::PermissionDenied);
    let unknown = code(client.register(with(registration("dev"), "guess")).await);
    assert_eq!(unknown.code(), Code::Unauthenticated);

    let watch = |namespace: &str| v1::WatchRequest {
        namespace: namespace.to_owned(),
        service: "web".to_owned(),
        from_revision: 0,
    };
    client.watch(with(watch("prod"), &secret)).await.unwrap();
    let denied = client
        .watch(with(watch("staging"), &secret))
        .await
        .unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_its_token() {
    let running = start(Wishes {
        anonymous: Some(Rights::none()),
        ..Wishes::default()
    })
    .await;
    let mut client = running.client().await;
    let rights = Rights::none().grant("default", Right::Write);
    let issued = token(&running, rights).await;
    let (beats, sent) = tokio::sync::mpsc::channel(1);
    let beat = || v1::KeepAliveRequest {
        id: Some(id("1")),
        ..v1::KeepAliveRequest::default()
    };
    beats.send(beat()).await.unwrap();
    let request = with(ReceiverStream::new(sent), &issued.secret);
    let mut answers = client.keep_alive(request).await.unwrap().into_inner();
    assert!(!answers.message().await.unwrap().unwrap().known);
    let accessor = issued.token.accessor;
    let revoke = move |tx: &mut Tx<'_>| tokens::revoke(tx, &accessor);
    let revoked = running
        .registry
        .store()
        .write::<_, TokenError>(revoke)
        .await;
    revoked.unwrap();
    beats.send(beat()).await.unwrap();
    let ended = answers.message().await.unwrap_err();
    assert_eq!(ended.code(), Code::Unauthenticated);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_calls_too_often_is_told_when_to_come_back() {
    let running = start(Wishes {
        limits: Limits {
            requests_per_second: 1,
            burst: 2,
            waits: 1,
            ..Limits::default()
        },
        ..Wishes::default()
    })
    .await;
    let resolve = || v1::ResolveRequest {
        service: "web".to_owned(),
        ..v1::ResolveRequest::default()
    };
    let mut greedy = running.client().await;
    greedy.resolve(resolve()).await.unwrap();
    greedy.resolve(resolve()).await.unwrap();
    let limited = greedy.resolve(resolve()).await.unwrap_err();
    assert_eq!(limited.code(), Code::ResourceExhausted);
    let delay = limited.get_details_retry_info().unwrap().retry_delay;
    assert_eq!(delay.unwrap().as_secs(), 1);

    // Another connection is another caller; it may wait for one thing.
    let mut modest = running.client().await;
    let watch = || v1::WatchRequest {
        service: "web".to_owned(),
        ..v1::WatchRequest::default()
    };
    let held = modest.watch(watch()).await.unwrap();
    let limited = modest.watch(watch()).await.unwrap_err();
    assert_eq!(limited.code(), Code::ResourceExhausted);
    assert_eq!(
        limited.message(),
        "more than 1 requests that wait at one time"
    );
    drop(held);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_says_that_it_is_well() {
    let running = start(Wishes::default()).await;
    let mut health = HealthClient::new(running.channel().await);
    for service in ["", SERVICE] {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let answer = health.check(request).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving);
    }
    running.stop().await;
}
