//! Who calls, and what they may do.

use std::{fmt, pin::Pin, sync::Arc};

use listen::{Origin, Peer};
use state::tokens::{Right, Rights};

use crate::{CertificateRules, RegistryError, model::Name};

/// The name of a caller, once it is known.
pub type Identified<'a> = Pin<Box<dyn Future<Output = Name> + Send + 'a>>;

/// Turns a peer into a caller. The agent implements it: it knows which process or pod has an address.
pub trait CallerIdentity: Send + Sync + fmt::Debug {
    /// A short, stable name of who calls; budgets, tag rules and the audit log go by it. Never the address of
    /// a node. Asked once for each connection, whose first request waits for it.
    fn identify(&self, peer: &Peer) -> Identified<'_>;
}

/// Goes by what the kernel says and nothing else: process and user of a Unix socket, one TCP connection. For
/// where nobody knows which process or pod has an address.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByPeer;

impl CallerIdentity for ByPeer {
    fn identify(&self, peer: &Peer) -> Identified<'_> {
        let name = match peer {
            Peer::Tcp { remote, .. } => format!("tcp {remote}"),
            Peer::Unix { pid, uid } => format!("pid {pid} uid {uid}"),
        };
        Box::pin(std::future::ready(name.into()))
    }
}

/// The other end of a connection, found out once.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    /// Who it is, see [`CallerIdentity`]; begins with the first name of its certificate, if it showed one.
    pub(crate) name: Name,
    /// What its certificate allows; `None` when that says nothing.
    pub(crate) rights: Option<Arc<Rights>>,
}

/// Finds out who is at the other end of connections.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    pub(crate) identity: Arc<dyn CallerIdentity>,
    pub(crate) certificates: Arc<CertificateRules>,
}

impl Door {
    /// Who has connected.
    pub(crate) async fn meet(&self, origin: &Origin) -> Guest {
        let name = self.identity.identify(&origin.peer).await;
        let shown = origin.certificate.all();
        Guest {
            name: match shown.first() {
                Some(shown) => format!("{shown} {name}").into(),
                None => name,
            },
            rights: self.certificates.rights(&shown),
        }
    }
}

/// Somebody who calls, with the rights of the token they showed.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who it is, see [`CallerIdentity`].
    pub name: Name,
    /// Accessor of the token they showed, if any.
    pub token: Option<Name>,
    /// What they may do.
    pub rights: Arc<Rights>,
}

impl Caller {
    /// A caller with these rights.
    pub fn new(name: impl Into<Name>, rights: Arc<Rights>) -> Self {
        Self {
            name: name.into(),
            token: None,
            rights,
        }
    }

    /// The same caller, who showed the token with this accessor.
    #[must_use]
    pub fn with_token(self, accessor: impl Into<Name>) -> Self {
        Self {
            token: Some(accessor.into()),
            ..self
        }
    }

    /// The agent itself: may do everything.
    pub fn internal() -> Self {
        Self::new("golens", Arc::new(Rights::all()))
    }

    /// Checks that the caller has `right` in `namespace`.
    ///
    /// # Errors
    /// [`RegistryError::Denied`] when not.
    pub fn require(&self, right: Right, namespace: &str) -> Result<(), RegistryError> {
        if self.rights.allow(right, namespace) {
            return Ok(());
        }
        Err(RegistryError::Denied {
            caller: Name::clone(&self.name),
            right,
            namespace: namespace.to_owned(),
        })
    }
}
