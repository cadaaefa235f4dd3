//! Who reads, by each kind of proof: a token, a certificate, a process. Each of them opens what a role says, and
//! each refusal is in the audit log with who it was.

use std::{fs, net::Ipv4Addr, path::PathBuf, sync::Arc};

use config::{
    listen::{Address, HTTP_1, TlsFiles},
    roles::{Binding, Policy, Role},
};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256,
    SanType,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
};
use state::audit;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::support::{Folder, Node, Served, ask, ask_over, running};

const READ: &str = "GET /v1/config/dev/app";

/// Lets `who` read the namespace `dev`.
fn policy(who: &str) -> Policy {
    let role = Role {
        name: "reader".to_owned(),
        read: vec!["dev".to_owned()],
        ..Role::default()
    };
    let binding = Binding {
        who: who.to_owned(),
        role: role.name.clone(),
    };
    Policy {
        roles: vec![role],
        bindings: vec![binding],
    }
}

fn document() -> (u16, String) {
    (200, "{\"port\":1}".to_owned())
}

fn denied() -> (u16, String) {
    (403, "denied by rule no_role\n".to_owned())
}

/// The newest entry of the audit log: who, what, of what, and what came of it.
fn newest(node: &Node) -> [String; 4] {
    let entries = audit::latest(&node.store.read().expect("reads"), 1).expect("reads");
    let entry = entries.into_iter().next().expect("an entry");
    [entry.actor, entry.action, entry.target, entry.outcome]
}

/// Asserts that somebody whose name begins with `actor` was just denied the document.
fn noted(node: &Node, actor: &str) {
    let [who, rest @ ..] = newest(node);
    assert!(who.starts_with(actor), "{who}");
    assert_eq!(rest, ["config.read", "dev/app", "denied by rule no_role"]);
}

#[tokio::test]
async fn a_token_is_a_proof_and_a_guessed_one_is_noted() {
    let folder = Folder::new();
    let (node, _handle, _file) = running(&folder).await;
    let served = Served::start(&node, policy("token:known-shop")).await;
    let ask = async |token: &str| ask(served.documents, READ, token, "").await;
    assert_eq!(ask("known-shop").await, document());
    assert_eq!(ask("known-other").await, denied());
    noted(&node, "token known-other of tcp 127.0.0.1:");
    assert_eq!(ask("").await, denied());
    noted(&node, "tcp 127.0.0.1:");
    let refused = (403, "the token is not valid\n".to_owned());
    assert_eq!(ask("guessed").await, refused);
    let [who, rest @ ..] = newest(&node);
    assert!(who.starts_with("tcp 127.0.0.1:"), "{who}");
    let expected = [
        "config.identify",
        "/v1/config/dev/app",
        "the token is not valid",
    ];
    assert_eq!(rest, expected);
}

#[tokio::test]
async fn a_process_is_known_by_its_user() {
    let folder = Folder::new();
    let (node, _handle, _file) = running(&folder).await;
    let user = rustix::process::getuid().as_raw();
    for (who, answer) in [
        (format!("process:uid:{user}"), document()),
        (format!("process:uid:{}", user + 1), denied()),
    ] {
        let served = Served::start(&node, policy(&who)).await;
        let socket = folder.0.join(format!("{}.sock", answer.0));
        let listener = Address::Unix(socket.clone()).bind(HTTP_1).await;
        served.also_at(listener.expect("bound").0);
        let stream = UnixStream::connect(socket).await.expect("connected");
        assert_eq!(ask_over(stream, READ, "", "").await, answer);
        // Over TCP the kernel names no process.
        assert_eq!(ask(served.documents, READ, "", "").await, denied());
    }
    let entries = audit::latest(&node.store.read().expect("reads"), 100).expect("reads");
    let actors = entries.iter().map(|entry| entry.actor.as_str());
    let of_socket = format!("pid {} uid {user}", std::process::id());
    let denials: Vec<_> = actors.filter(|actor| *actor == of_socket).collect();
    assert_eq!(denials.len(), 1, "{entries:#?}");
}

#[tokio::test]
async fn a_certificate_is_known_by_its_spiffe_id() {
    let folder = Folder::new();
    let (node, _handle, _file) = running(&folder).await;
    let served = Served::start(&node, policy("spiffe://prod/ns/shop/*")).await;
    let authority = Authority::new(&folder);
    let address = Address::Tls((Ipv4Addr::LOCALHOST, 0).into(), authority.files.clone());
    let (listener, address) = address.bind(HTTP_1).await.expect("bound");
    served.also_at(listener);
    let address = address.to_string();
    let (_, address) = address.rsplit_once('/').unwrap_or(("", &address));
    let ask = async |spiffe: &str| {
        let stream = TcpStream::connect(address).await.expect("connected");
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        let connector = authority.client(spiffe);
        let stream = connector.connect(name, stream).await.expect("encrypted");
        ask_over(stream, READ, "", "").await
    };
    assert_eq!(ask("spiffe://prod/ns/shop/sa/cart").await, document());
    assert_eq!(ask("spiffe://prod/ns/shopping/sa/cart").await, denied());
    noted(&node, "tcp 127.0.0.1:");
    assert_eq!(ask("https://prod/ns/shop/sa/cart").await, denied());
}

/// An authority, and the files of a server that it signed for.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    files: TlsFiles,
}

impl Authority {
    fn new(folder: &Folder) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "authority");
        let key = key();
        let root = params.self_signed(&key).expect("signed").der().clone();
        let issuer = Issuer::new(params, key);
        let (certificate, key) = signed(&issuer, "https://golens.test/");
        let write = |name: &str, kind: &str, bytes: &[u8]| {
            let path = folder.0.join(name);
            fs::write(&path, pem(kind, bytes)).expect("written");
            path
        };
        let authority: PathBuf = write("ca.pem", "CERTIFICATE", &root);
        let files = TlsFiles {
            certificate: write("server.pem", "CERTIFICATE", &certificate),
            key: write("server.key", "PRIVATE KEY", key.secret_der()),
            client_authority: Some(authority),
        };
        Self {
            issuer,
            root,
            files,
        }
    }

    /// What connects with a certificate that has this id.
    fn client(&self, uri: &str) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).expect("an authority");
        let (certificate, key) = signed(&self.issuer, uri);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![certificate], key)
            .expect("a pair");
        TlsConnector::from(Arc::new(config))
    }
}

fn key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key")
}

fn signed(
    issuer: &Issuer<'_, KeyPair>,
    uri: &str,
) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("names");
    let uri = uri.try_into().expect("a URI");
    params.subject_alt_names.push(SanType::URI(uri));
    let key = key();
    let certificate = params.signed_by(&key, issuer).expect("signed");
    let private = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    (certificate.der().clone(), private)
}

fn pem(kind: &str, bytes: &[u8]) -> String {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    let text = BASE64_STANDARD.encode(bytes);
    let lines = text.as_bytes().chunks(64).map(String::from_utf8_lossy);
    let body: String = lines.map(|line| format!("{line}\n")).collect();
    format!("-----BEGIN {kind}-----\n{body}-----END {kind}-----\n")
}
