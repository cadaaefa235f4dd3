//! Checks: what is written, what is not, and what happens by itself.

use std::time::Duration;

use registry::{
    RegistryError, WatchKey,
    model::{Addition, CheckSpec, Registration, Status},
    state::{
        Tx, Wake,
        sessions::{self, Session, SessionError},
    },
};

use crate::folder::{Folder, NODE, NS, check_key, far, ids, index, key, me, next, with_ttl};

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_heartbeat_is_not_written_and_a_change_of_status_is() {
    let folder = Folder::new();
    let registry = folder.open().await;
    registry
        .register(with_ttl("web", "1", LONG), &me())
        .await
        .unwrap();
    let before = index(&registry, "web");
    let commits = registry.statistics().state.commits;
    let beat = async |status, output: &str| {
        registry
            .heartbeat(&check_key("c-1"), status, output, &me())
            .await
            .unwrap()
    };
    for number in 0..1_000 {
        assert!(
            !beat(Status::Passing, &format!("beat {number}"))
                .await
                .changed
        );
    }
    let statistics = registry.statistics();
    assert_eq!(statistics.state.commits, commits);
    assert_eq!(statistics.heartbeats, 1_000);
    assert_eq!(index(&registry, "web"), before);
    assert_eq!(registry.output(&check_key("c-1")).unwrap(), "beat 999");
    let (check, owner) = registry.check(&check_key("c-1")).unwrap();
    assert_eq!(
        (check.status, check.output.as_str()),
        (Status::Passing, "beat 999")
    );
    assert_eq!(owner.unwrap().key, key("1"));

    let checks = registry.index(&WatchKey::Checks(NS.into())).unwrap();
    let changed = beat(Status::Warning, "slow").await;
    assert!(changed.changed);
    assert_eq!(index(&registry, "web"), changed.revision);
    let newer = registry.index(&WatchKey::Checks(NS.into())).unwrap();
    assert!(newer > checks);
    // Not a change of the instance itself.
    let instance = registry.instance(&key("1")).unwrap();
    assert!(instance.modify_revision < changed.revision);
    assert_eq!(instance.checks[0].modify_revision, changed.revision);
}

#[tokio::test]
async fn only_a_ttl_check_takes_heartbeats() {
    let folder = Folder::new();
    let registry = folder.open().await;
    let registration = Registration {
        checks: vec![Addition::new(CheckSpec::external("x", "x"))],
        ..Registration::new(key("1"), "web")
    };
    registry.register(registration, &me()).await.unwrap();
    let beat = async |id| {
        let (key, me) = (check_key(id), me());
        let answer = registry.heartbeat(&key, Status::Passing, "", &me).await;
        answer.unwrap_err()
    };
    assert!(matches!(beat("x").await, RegistryError::NotTtl(_)));
    assert!(matches!(beat("y").await, RegistryError::UnknownCheck(_)));
    registry
        .set_check_status(&check_key("x"), Status::Passing, "ok")
        .await
        .unwrap();
    assert_eq!(registry.instance(&key("1")).unwrap().checks[0].output, "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_turns_a_check_critical_and_a_heartbeat_back() {
    let folder = Folder::new();
    let registry = folder.open().await;
    let registered = registry
        .register(with_ttl("web", "1", SHORT), &me())
        .await
        .unwrap();
    let beat = |output: &'static str| {
        let registry = registry.clone();
        async move {
            let key = check_key("c-1");
            registry
                .heartbeat(&key, Status::Passing, output, &me())
                .await
                .unwrap()
        }
    };
    beat("all well").await;
    let silent = next(&registry, "web", registered.revision).await;
    let (check, _) = registry.check(&check_key("c-1")).unwrap();
    assert_eq!(check.status, Status::Critical);
    assert!(check.output.starts_with("TTL expired"), "{}", check.output);
    assert!(check.output.ends_with("all well"), "{}", check.output);
    assert!(beat("back").await.changed);
    let again = next(&registry, "web", index(&registry, "web")).await;
    assert!(again > silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_critical_for_too_long_is_removed() {
    let folder = Folder::new();
    let registry = folder.open().await;
    let mut registration = with_ttl("web", "1", SHORT);
    registration.checks[0].spec.deregister_after = Some(SHORT);
    registry.register(registration, &me()).await.unwrap();
    let healthy = with_ttl("web", "2", LONG);
    let mut seen = registry.register(healthy, &me()).await.unwrap().revision;
    while ids(&registry, "web").len() == 2 {
        seen = next(&registry, "web", seen).await;
    }
    assert_eq!(ids(&registry, "web"), ["2"]);
    assert!(registry.check(&check_key("c-1")).is_none());
    assert_eq!(registry.statistics().checks, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_in_time_prevents_the_removal() {
    let folder = Folder::new();
    let registry = folder.open().await;
    let mut registration = with_ttl("web", "1", LONG);
    registration.checks[0].spec.deregister_after = Some(SHORT);
    registry.register(registration, &me()).await.unwrap();
    let key_1 = check_key("c-1");
    let say = async |status| registry.heartbeat(&key_1, status, "", &me()).await.unwrap();
    say(Status::Critical).await;
    say(Status::Passing).await;
    // Another instance with the same times goes; by then this one would have gone, too.
    let mut other = with_ttl("db", "2", LONG);
    other.checks[0].spec.deregister_after = Some(SHORT);
    other.checks[0].status = Some(Status::Critical);
    let seen = registry.register(other, &me()).await.unwrap().revision;
    next(&registry, "db", seen).await;
    assert_eq!(ids(&registry, "db"), [""; 0]);
    assert_eq!(ids(&registry, "web"), ["1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_the_status_and_gives_a_whole_ttl() {
    let folder = Folder::new();
    let registry = folder.open().await;
    let ttl = Duration::from_secs(2);
    registry
        .register(with_ttl("web", "1", ttl), &me())
        .await
        .unwrap();
    let before = index(&registry, "web");
    drop(registry);
    let opened = std::time::Instant::now();
    let registry = folder.open().await;
    let view = registry.service(NS, "web").unwrap();
    assert_eq!(view.index, before);
    assert_eq!(view.passing().count(), 1);
    next(&registry, "web", before).await;
    assert!(opened.elapsed() >= ttl);
}

#[tokio::test]
async fn a_registration_again_keeps_what_checks_said() {
    let folder = Folder::new();
    let registry = folder.open().await;
    let mut registration = with_ttl("web", "1", LONG);
    registry
        .register(registration.clone(), &me())
        .await
        .unwrap();
    registry
        .heartbeat(&check_key("c-1"), Status::Warning, "hm", &me())
        .await
        .unwrap();
    registration.checks[0].status = None;
    let again = registry
        .register(registration.clone(), &me())
        .await
        .unwrap();
    assert!(!again.changed);

    // Another check beside it, with and without replacing the old ones.
    let extra = Addition::new(CheckSpec::external("extra", "extra"));
    registration.checks = vec![extra];
    registry
        .register(registration.clone(), &me())
        .await
        .unwrap();
    let names = |registry: &registry::Registry| {
        let instance = registry.instance(&key("1")).unwrap();
        let names = instance
            .checks
            .iter()
            .map(|check| check.spec.id.to_string());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names(&registry), ["c-1", "extra"]);
    let reason = Some("move".to_owned());
    registry
        .set_maintenance(&key("1"), reason, &me())
        .await
        .unwrap();
    registration.replace_checks = true;
    registry.register(registration, &me()).await.unwrap();
    assert_eq!(names(&registry), ["extra", "_service_maintenance:1"]);
    let gone = registry.deregister_check(&check_key("c-1"), &me()).await;
    assert!(matches!(gone, Err(RegistryError::UnknownCheck(_))));
    assert_eq!(registry.statistics().checks, 3);
}

#[tokio::test]
async fn a_critical_check_ends_the_sessions_that_depend_on_it() {
    let folder = Folder::new();
    let registry = folder.open().await;
    registry
        .register(with_ttl("web", "1", LONG), &me())
        .await
        .unwrap();
    let session = Session {
        node: NODE.to_owned(),
        service_checks: vec!["c-1".to_owned()],
        ..Session::default()
    };
    let create = |tx: &mut Tx<'_>| sessions::create(tx, session);
    let made = registry
        .store()
        .write::<_, SessionError>(create)
        .await
        .unwrap();
    let exists = || {
        let reader = registry.store().read().unwrap();
        sessions::get(&reader, &made.value.id).unwrap().is_some()
    };
    registry
        .heartbeat(&check_key("c-1"), Status::Warning, "", &me())
        .await
        .unwrap();
    assert!(exists());
    let key = check_key("c-1");
    let (woken, said) = tokio::join!(
        registry.watch(&WatchKey::Sessions, made.revision, far()),
        registry.set_check_status(&key, Status::Critical, "")
    );
    assert!(!exists());
    assert_eq!(woken.unwrap(), Wake::Changed(said.unwrap().revision));
}
