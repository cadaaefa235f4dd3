//! An authority, and what it signed for etcd and for nodes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// PEM files.
#[derive(Clone)]
pub(crate) struct Certificates {
    pub(crate) authority: PathBuf,
    pub(crate) server: (PathBuf, PathBuf),
    pub(crate) client: (PathBuf, PathBuf),
}

impl Certificates {
    /// Writes them below `folder`, with `name` in their names.
    pub(crate) fn write(folder: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let authority = folder.join(format!("{name}-ca.pem"));
        fs::write(&authority, pem("CERTIFICATE", certificate.der())).unwrap();
        let issuer = Issuer::new(params, key);
        let signed = |whose: &str, subject: &str| {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new([subject.to_owned()]).unwrap();
            let certificate = params.signed_by(&key, &issuer).unwrap();
            let files = ["pem", "key"].map(|kind| folder.join(format!("{name}-{whose}.{kind}")));
            fs::write(&files[0], pem("CERTIFICATE", certificate.der())).unwrap();
            fs::write(&files[1], pem("PRIVATE KEY", &key.serialize_der())).unwrap();
            files.into()
        };
        Self {
            server: signed("server", "127.0.0.1"),
            client: signed("client", "node"),
            authority,
        }
    }
}

fn pem(kind: &str, bytes: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(bytes);
    let lines = text.as_bytes().chunks(64).map(String::from_utf8_lossy);
    let body: String = lines.map(|line| format!("{line}\n")).collect();
    format!("-----BEGIN {kind}-----\n{body}-----END {kind}-----\n")
}
