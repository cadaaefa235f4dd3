//! Vault's Transit API as OpenBao 2.4 spoke it, answer by answer. `long_openbao` asks a real one.

use std::sync::Arc;

use config::{
    Secret, Trust,
    secrets::{
        Keyring, Keys, Provider, ProviderError, SecretError, VaultSettings, VaultToken,
        VaultTransit,
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

use crate::folder::Folder;

fn vault(address: String) -> VaultTransit {
    VaultTransit::new(VaultSettings {
        address,
        mount: "transit".to_owned(),
        key: "golens".to_owned(),
        token: VaultToken::Given(Secret::new("root".to_owned())),
        namespace: String::new(),
        trust: Trust::default(),
    })
    .unwrap()
}

/// Answers one call after the other, each on a connection of its own, and returns what was asked.
async fn recorded(answers: Vec<(&'static str, &'static str)>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = tokio::spawn(async move {
        let mut asked = Vec::new();
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            asked.push(request(&mut stream).await);
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\nCache-Control: no-store\r\nContent-Type: application/json\r\n\
                 Content-Length: {length}\r\n\r\n{body}"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        asked
    });
    (address, asked)
}

/// Reads a request with its body.
async fn request(stream: &mut tokio::net::TcpStream) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).await.unwrap();
        text.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.to_lowercase();
        let length = length.split("content-length: ").nth(1).unwrap();
        let length: usize = length.lines().next().unwrap().parse().unwrap();
        if body.len() == length {
            return text;
        }
    }
}

const DATA_KEY: &str = r#"{"request_id":"0e92","lease_id":"","renewable":false,"lease_duration":0,"data":{"ciphertext":"vault:v1:bGq1","key_version":1,"plaintext":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="},"wrap_info":null,"warnings":null,"auth":null}"#;
const DECRYPTED: &str = r#"{"request_id":"7ac3","lease_id":"","renewable":false,"lease_duration":0,"data":{"plaintext":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="},"wrap_info":null,"warnings":null,"auth":null}"#;
const REWRAPPED: &str = r#"{"request_id":"77d0","lease_id":"","renewable":false,"lease_duration":0,"data":{"ciphertext":"vault:v2:x9Zt","key_version":2},"wrap_info":null,"warnings":null,"auth":null}"#;

#[tokio::test]
async fn data_keys_come_from_vault_and_are_unwrapped_and_wrapped_there() {
    let (address, asked) = recorded(vec![
        ("200 OK", DATA_KEY),
        ("200 OK", DECRYPTED),
        ("200 OK", REWRAPPED),
    ])
    .await;
    let vault = vault(address);
    let kid = "k1".parse().unwrap();
    let (made, wrapped) = vault.generate(&kid).await.unwrap();
    assert_eq!(wrapped, "vault:v1:bGq1");
    let unwrapped = vault.unwrap(&kid, &wrapped).await.unwrap();
    let key: Vec<u8> = (0..32).collect();
    assert_eq!((made.expose(), unwrapped.expose()), (&*key, &*key));
    assert_eq!(vault.rewrap(&kid, &wrapped).await.unwrap(), "vault:v2:x9Zt");

    let asked = asked.await.unwrap();
    let expected = [
        (
            "POST /v1/transit/datakey/plaintext/golens HTTP/1.1",
            r#"{"bits":256}"#,
        ),
        (
            "POST /v1/transit/decrypt/golens HTTP/1.1",
            r#"{"ciphertext":"vault:v1:bGq1"}"#,
        ),
        (
            "POST /v1/transit/rewrap/golens HTTP/1.1",
            r#"{"ciphertext":"vault:v1:bGq1"}"#,
        ),
    ];
    for (request, (line, body)) in asked.iter().zip(expected) {
        assert!(request.starts_with(line), "{request}");
        assert!(request.ends_with(body), "{request}");
        assert!(
            request.to_lowercase().contains("x-vault-token: root\r\n"),
            "{request}"
        );
    }
}

#[tokio::test]
async fn what_passes_by_itself_is_told_from_what_does_not() {
    let sealed = r#"{"errors":["Vault is sealed"]}"#;
    let denied = r#"{"errors":["1 error occurred:\n\t* permission denied\n\n"]}"#;
    let (address, _asked) = recorded(vec![
        ("503 Service Unavailable", sealed),
        ("403 Forbidden", denied),
        ("200 OK", r#"{"data":{"plaintext":"c2hvcnQ="}}"#),
        ("200 OK", "<html>"),
    ])
    .await;
    let vault = vault(address.clone());
    let kid = "k1".parse().unwrap();
    let mut said = Vec::new();
    for _ in 0..5 {
        let Err(error) = vault.unwrap(&kid, "vault:v1:bGq1").await else {
            panic!("that is no key");
        };
        let passes = matches!(error, ProviderError::Unreachable { .. });
        said.push((passes, error.to_string()));
    }
    assert!(
        said[0].0
            && said[0]
                .1
                .ends_with("503 Service Unavailable: Vault is sealed")
    );
    assert!(
        !said[1].0 && said[1].1.contains("permission denied"),
        "{said:?}"
    );
    assert!(
        !said[2].0 && said[2].1.contains("not a key of 32 bytes"),
        "{said:?}"
    );
    assert!(
        !said[3].0 && said[3].1.contains("not of Vault's form"),
        "{said:?}"
    );
    // By then nobody listens.
    assert!(said[4].0 && said[4].1.contains(&address), "{said:?}");
}

#[tokio::test]
async fn values_are_sealed_with_a_key_that_vault_wrapped() {
    let folder = Folder::new();
    let (address, asked) = recorded(vec![("200 OK", DATA_KEY), ("200 OK", DECRYPTED)]).await;
    let provider: Arc<dyn Provider> = Arc::new(vault(address));
    let path = folder.path("keys.json");
    let keys = Keys::with_ring(&path, Keyring::default(), Arc::clone(&provider));
    keys.rotate().await.unwrap();
    let sealed = keys.seal("prod", "a", "hunter2").await.unwrap();
    let other = Keys::load(&path, provider).unwrap();
    assert_eq!(
        **other.open("prod", "a", &sealed).await.unwrap(),
        *b"hunter2"
    );
    assert_eq!(asked.await.unwrap().len(), 2);
    // Vault is gone, and the key is not: it is kept for an hour.
    assert!(other.open("prod", "a", &sealed).await.is_ok());
    let third = Keys::load(&path, Arc::new(vault("http://127.0.0.1:1".to_owned()))).unwrap();
    let refused = third.open("prod", "a", &sealed).await.unwrap_err();
    assert!(matches!(refused, SecretError::Provider(_)) && refused.is_transient());
}
