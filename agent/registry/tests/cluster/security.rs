//! An etcd that asks who calls: certificates on both sides, users with passwords, tokens that expire.

use std::{fs, time::Duration};

use registry::{
    cluster::{Settings, TlsFiles, User},
    state,
};

use crate::common::{Certificates, Etcd, Node, Security, eventually, settings};

/// Settings for an etcd with certificates.
fn encrypted(etcd: &Etcd, tls: TlsFiles) -> Settings {
    Settings {
        endpoints: vec![format!("https://{}", etcd.address)],
        tls,
        ..settings(etcd.address)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_on_both_sides_are_checked_and_may_be_replaced() {
    let mut files = None;
    let etcd = Etcd::start_with(|folder| {
        let certificates = Certificates::write(folder, "right");
        files = Some((certificates.clone(), Certificates::write(folder, "other")));
        Security {
            certificates: Some(certificates),
            ..Security::default()
        }
    })
    .await;
    let (right, other) = files.unwrap();
    let tls = |authority: &Certificates, identity: Option<&Certificates>| TlsFiles {
        authority: Some(authority.authority.clone()),
        identity: identity.map(|identity| identity.client.clone()),
    };
    let a = Node::join("a", encrypted(&etcd, tls(&right, Some(&right)))).await;
    let stranger = Node::join("b", encrypted(&etcd, tls(&right, Some(&other)))).await;
    let anonymous = Node::join("c", encrypted(&etcd, tls(&right, None))).await;
    let deceived = Node::join("d", encrypted(&etcd, tls(&other, Some(&right)))).await;
    a.register("web", "web-1").await;
    a.connected().await;
    for (node, reason) in [
        (&stranger, "not take this node's certificate"),
        (&anonymous, "not take this node's certificate"),
        (&deceived, "UnknownIssuer"),
    ] {
        eventually(reason, async || node.status().last_error.contains(reason)).await;
        assert!(!node.status().connected);
    }
    // What was wrong is replaced, and nobody restarts.
    fs::copy(&right.authority, &other.authority).unwrap();
    fs::copy(&right.client.0, &other.client.0).unwrap();
    fs::copy(&right.client.1, &other.client.1).unwrap();
    for node in [&stranger, &deceived] {
        node.will_see("web", &["a/web-1"]).await;
    }
    assert!(!anonymous.status().connected);
    for node in [a, stranger, anonymous, deceived] {
        node.end();
    }
}

/// Settings for an etcd with users, and a file with this password.
fn with_password(etcd: &Etcd, folder: &std::path::Path, password: &str) -> Settings {
    let password_file = folder.join("password");
    fs::write(&password_file, format!("{password}\n")).unwrap();
    Settings {
        user: Some(User {
            name: "node".to_owned(),
            password_file,
        }),
        ..settings(etcd.address)
    }
}

/// A folder that goes with the test.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new() -> Self {
        let name = state::random_hex::<8>().unwrap();
        let folder = std::env::temp_dir().join(format!("golens-password-{name}"));
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_said_and_a_right_one_is_taken_when_it_is_there() {
    let etcd = Etcd::start().await;
    etcd.let_in_only("node", "secret").await;
    let (right, wrong) = (Folder::new(), Folder::new());
    let a = Node::join("a", with_password(&etcd, &right.0, "secret")).await;
    let b = Node::join("b", with_password(&etcd, &wrong.0, "guess")).await;
    let nobody = Node::join("c", settings(etcd.address)).await;
    a.register("web", "web-1").await;
    eventually("a is let in", async || a.status().published == 1).await;
    let place = format!("etcd at http://{} refused", etcd.address);
    for (node, reason) in [
        (&b, " a user's password: etcdserver: authentication failed"),
        (&nobody, " a read: etcdserver: user name is empty"),
    ] {
        let reason = format!("{place}{reason}");
        eventually(&reason, async || {
            node.status().last_error.starts_with(&reason)
        })
        .await;
    }
    drop(with_password(&etcd, &wrong.0, "secret"));
    b.will_see("web", &["a/web-1"]).await;
    assert!(!nobody.status().connected);
    for node in [a, b, nobody] {
        node.end();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_has_expired_is_renewed() {
    let etcd = Etcd::start_with(|_| Security {
        token_ttl: Some(1),
        ..Security::default()
    })
    .await;
    etcd.let_in_only("node", "secret").await;
    let folder = Folder::new();
    let a = Node::join("a", with_password(&etcd, &folder.0, "secret")).await;
    let b = Node::join("b", with_password(&etcd, &folder.0, "secret")).await;
    a.register("web", "web-1").await;
    b.will_see("web", &["a/web-1"]).await;
    let before = a.status();
    // etcd looks for tokens that nobody used for a second once in a second. Asking would be using it.
    tokio::time::sleep(Duration::from_secs(3)).await;
    a.register("web", "web-2").await;
    b.will_see("web", &["a/web-1", "a/web-2"]).await;
    let after = a.status();
    assert_eq!(
        (after.failures, after.resyncs),
        (before.failures + 1, before.resyncs + 1),
        "the token had not expired: {after:?}"
    );
    assert_eq!(a.status().leases_lost, 0);
    assert_eq!(a.status().breaker_opened, 0);
    a.end();
    b.end();
}
