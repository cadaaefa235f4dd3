//! Where callers connect: addresses as people write them, certificates, connections, and what is known for
//! sure of who is at the other end.
//!
//! Registry and config watcher listen alike and know nothing of each other, so what they share is here.
#![forbid(unsafe_code)]

mod accept;
mod address;
mod aside;
mod certificate;
pub mod http1;
mod peer;
mod tls;

pub use accept::{Listener, Shutdown, Stream, accept, ending};
pub use address::{Address, HTTP_1, HTTP_2, ListenError};
pub use aside::Aside;
pub use certificate::Certificate;
pub use peer::{Origin, Peer};
pub use tls::{TlsError, TlsFiles, server_config};
