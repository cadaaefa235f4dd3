//! Connections.

use tokio::io::{AsyncRead, AsyncWrite};

/// A connected stream of any kind.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}
