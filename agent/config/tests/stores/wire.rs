//! A way to a server that can be cut: its connections end, and no new ones are taken.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

pub(crate) struct Wire {
    pub(crate) address: SocketAddr,
    target: SocketAddr,
    task: JoinHandle<()>,
}

impl Wire {
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self {
            address,
            target,
            task: tokio::spawn(carry(listener, target)),
        }
    }

    pub(crate) async fn cut(&mut self) {
        self.task.abort();
        assert!((&mut self.task).await.is_err());
    }

    pub(crate) async fn mend(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.task = tokio::spawn(carry(listener, self.target));
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Connections end with the task.
async fn carry(listener: TcpListener, target: SocketAddr) {
    let mut connections = JoinSet::new();
    loop {
        let (mut near, _) = listener.accept().await.unwrap();
        connections.spawn(async move {
            if let Ok(mut far) = TcpStream::connect(target).await {
                // How it ends is for the ends to say.
                drop(copy_bidirectional(&mut near, &mut far).await);
            }
        });
    }
}
