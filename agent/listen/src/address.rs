//! Addresses to listen on, as people write them.

use std::{
    fmt, io,
    net::{AddrParseError, SocketAddr},
    os::unix::{fs::FileTypeExt, net::UnixStream},
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket, UnixListener};

use crate::{Listener, TlsError, TlsFiles, server_config};

/// ALPN name of HTTP/1.1.
pub const HTTP_1: &str = "http/1.1";
/// ALPN name of HTTP/2, which gRPC is spoken over.
pub const HTTP_2: &str = "h2";

/// `127.0.0.1:8500` or `unix:///run/golens/consul.sock`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// TCP; port 0 takes any free one.
    Tcp(SocketAddr),
    /// TCP, encrypted.
    Tls(SocketAddr, TlsFiles),
    /// A Unix socket at this path.
    Unix(PathBuf),
}

/// Why nobody can be listened to.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The socket cannot be bound.
    #[error("cannot listen on {address}")]
    Bind {
        /// Where.
        address: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl ListenError {
    /// For `map_err`: the kernel refused `address`.
    pub fn bind(address: String) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Bind { address, source }
    }
}

impl FromStr for Address {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("unix://") {
            Some(path) => Ok(Self::Unix(path.into())),
            None => text.parse().map(Self::Tcp),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(out, "http://{address}"),
            Self::Tls(address, _) => write!(out, "https://{address}"),
            Self::Unix(path) => write!(out, "unix://{}", path.display()),
        }
    }
}

impl Address {
    /// Binds it for HTTP/1.1, see [`bind`](Self::bind).
    ///
    /// # Errors
    /// As `bind`.
    pub async fn bind_http(self) -> Result<(Listener, Self), ListenError> {
        self.bind(HTTP_1).await
    }

    /// Binds it for gRPC, see [`bind`](Self::bind).
    ///
    /// # Errors
    /// As `bind`.
    pub async fn bind_grpc(self) -> Result<(Listener, Self), ListenError> {
        self.bind(HTTP_2).await
    }

    /// Binds it; over encryption `protocol` is offered, by its ALPN name. The second value is the address with the port that was really taken.
    ///
    /// # Errors
    /// When the kernel refuses it, or certificates cannot be used.
    pub async fn bind(self, protocol: &str) -> Result<(Listener, Self), ListenError> {
        let refused = ListenError::bind(self.to_string());
        match self {
            Self::Tcp(address) => {
                let (listener, address) = tcp(address).map_err(refused)?;
                Ok((Listener::Tcp(listener), Self::Tcp(address)))
            }
            Self::Tls(address, files) => {
                let config = server_config(&files, &[protocol])?;
                let (listener, address) = tcp(address).map_err(refused)?;
                let listener = Listener::Tls(listener, Arc::clone(&config));
                Ok((listener, Self::Tls(address, files)))
            }
            Self::Unix(path) => {
                let listener = unix(&path).map_err(refused)?;
                Ok((Listener::Unix(listener), Self::Unix(path)))
            }
        }
    }
}

/// Connections that may wait to be accepted: after a restart all clients of a node come at once, and whoever
/// finds no room is made to wait a second.
const BACKLOG: u32 = 4_096;

fn tcp(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    let taken = listener.local_addr()?;
    Ok((listener, taken))
}

/// Takes the place of a socket that nobody listens on any more: a process that was killed leaves its own.
fn unix(path: &Path) -> io::Result<UnixListener> {
    let is_socket = path
        .symlink_metadata()
        .is_ok_and(|found| found.file_type().is_socket());
    if is_socket && UnixStream::connect(path).is_err_and(|error| is_refused(&error)) {
        std::fs::remove_file(path)?;
    }
    UnixListener::bind(path)
}

fn is_refused(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionRefused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        for (text, written) in [
            ("127.0.0.1:8500", "http://127.0.0.1:8500"),
            ("[::1]:1", "http://[::1]:1"),
            ("unix:///run/c.sock", "unix:///run/c.sock"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), written);
        }
        assert!("localhost".parse::<Address>().is_err());
    }

    #[tokio::test]
    async fn a_socket_that_nobody_listens_on_is_taken_over_and_no_other() {
        let folder = std::env::temp_dir().join(format!("golens-listen-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("s");
        let listener = unix(&path).unwrap();
        let taken = unix(&path).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        drop(unix(&path).unwrap());
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "mine").unwrap();
        assert!(unix(&path).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
