//! Who reads documents.

use std::{fmt, future::ready, sync::Arc};

use futures_util::future::BoxFuture;
use http::{HeaderMap, header::AUTHORIZATION};
use listen::Origin;
pub use listen::Peer;

/// Something that is known for sure about a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proof {
    /// It showed the token with this accessor.
    Token(String),
    /// It showed a certificate with this SPIFFE id.
    Spiffe(String),
    /// It is this process, container, or pod's service account, such as `pod:shop/cart`.
    Process(String),
    /// It signed with an access key of this Apollo application.
    Application(String),
}

/// A caller: its name for the audit log, and what is known for sure about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    /// A short name. Never the address of a node.
    pub name: String,
    /// What roles go by.
    pub proofs: Vec<Proof>,
}

/// Turns a peer into a caller. The agent implements it: it knows which process or pod has an address.
pub trait CallerIdentity: Send + Sync + fmt::Debug {
    /// Who calls. Asked once for each connection, whose first request waits for it.
    fn identify<'a>(&'a self, peer: &'a Peer) -> BoxFuture<'a, Reader>;
}

/// Goes by what the kernel says and nothing else.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByPeer;

impl CallerIdentity for ByPeer {
    fn identify<'a>(&'a self, peer: &'a Peer) -> BoxFuture<'a, Reader> {
        let reader = match peer {
            Peer::Tcp { remote, .. } => Reader {
                name: format!("tcp {remote}"),
                proofs: Vec::new(),
            },
            Peer::Unix { pid, uid } => Reader {
                name: format!("pid {pid} uid {uid}"),
                proofs: vec![Proof::Process(format!("uid:{uid}"))],
            },
        };
        Box::pin(ready(reader))
    }
}

/// Knows tokens.
pub trait Tokens: Send + Sync {
    /// The accessor of the token with this secret; `None` for one that is not valid.
    fn accessor(&self, secret: &str) -> Option<String>;
}

/// Where nobody has a token.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTokens;

impl Tokens for NoTokens {
    fn accessor(&self, _: &str) -> Option<String> {
        None
    }
}

/// Somebody showed a token that nobody has, or has no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token is not valid")]
pub struct BadToken;

/// Finds out who reads: by connection and certificate, and by the token of a request.
#[derive(Clone)]
pub struct Door {
    identity: Arc<dyn CallerIdentity>,
    tokens: Arc<dyn Tokens>,
}

impl Door {
    /// A door.
    #[must_use]
    pub fn new(identity: Arc<dyn CallerIdentity>, tokens: Arc<dyn Tokens>) -> Self {
        Self { identity, tokens }
    }

    /// Who has connected.
    pub async fn meet(&self, origin: &Origin) -> Reader {
        let mut reader = self.identity.identify(&origin.peer).await;
        let ids = origin.certificate.spiffe_ids();
        reader
            .proofs
            .extend(ids.map(|id| Proof::Spiffe(id.to_owned())));
        reader
    }

    /// Adds the token that a request shows, as `Authorization: Bearer` or as `X-Golens-Token`.
    ///
    /// # Errors
    /// When it is not valid: whoever means to show something is not taken for somebody without.
    pub fn recognise(&self, mut reader: Reader, headers: &HeaderMap) -> Result<Reader, BadToken> {
        let Some(secret) = token(headers) else {
            return Ok(reader);
        };
        let accessor = self.tokens.accessor(secret).ok_or(BadToken)?;
        reader.name = format!("token {accessor} of {}", reader.name);
        reader.proofs.push(Proof::Token(accessor));
        Ok(reader)
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Door").field(&self.identity).finish()
    }
}

fn token(headers: &HeaderMap) -> Option<&str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text(AUTHORIZATION.as_str()).and_then(|value| {
        let (scheme, secret) = value.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then_some(secret.trim())
    });
    text("x-golens-token").or(bearer)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Knows one token.
    struct One;

    impl Tokens for One {
        fn accessor(&self, secret: &str) -> Option<String> {
            (secret == "s3cret").then(|| "a1".to_owned())
        }
    }

    #[test]
    fn a_token_proves_its_accessor_and_a_wrong_one_is_refused() {
        let door = Door::new(Arc::new(ByPeer), Arc::new(One));
        let shown = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().expect("a value"));
            let reader = Reader {
                name: "pid 1".to_owned(),
                proofs: Vec::new(),
            };
            door.recognise(reader, &headers)
                .map(|reader| (reader.name, reader.proofs))
        };
        let known = Ok((
            "token a1 of pid 1".to_owned(),
            vec![Proof::Token("a1".to_owned())],
        ));
        assert_eq!(shown("authorization", "Bearer s3cret"), known);
        assert_eq!(shown("x-golens-token", "s3cret"), known);
        assert_eq!(shown("authorization", "bearer other"), Err(BadToken));
        // Apollo's clients sign in the same header.
        let nobody = Ok(("pid 1".to_owned(), Vec::new()));
        assert_eq!(shown("authorization", "Apollo app:signature"), nobody);
    }
}
