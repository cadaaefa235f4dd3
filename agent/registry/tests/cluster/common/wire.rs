//! A wire between a node and etcd that can be cut: what is sent into it is lost, and nobody is told.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

pub(crate) struct Wire {
    pub(crate) address: SocketAddr,
    whole: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Wire {
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (whole, state) = watch::channel(true);
        let task = tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                drop(tokio::spawn(carry(near, target, state.clone())));
            }
        });
        Self {
            address,
            whole,
            task,
        }
    }

    /// From now on nothing comes through; connections seem to stay open.
    pub(crate) fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// New connections come through again. Those that were cut are lost.
    pub(crate) fn mend(&self) {
        self.whole.send_replace(true);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(near: TcpStream, target: SocketAddr, mut whole: watch::Receiver<bool>) {
    // A connection from the time of the cut leads nowhere until it is mended.
    if whole.wait_for(|whole| *whole).await.is_err() {
        return;
    }
    let Ok(far) = TcpStream::connect(target).await else {
        return;
    };
    let (near_in, near_out) = near.into_split();
    let (far_in, far_out) = far.into_split();
    tokio::join!(
        copy(near_in, far_out, whole.clone()),
        copy(far_in, near_out, whole)
    );
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut whole: watch::Receiver<bool>,
) {
    let mut bytes = [0; 16 * 1024];
    loop {
        let read = tokio::select! {
            biased;
            () = is_cut(&mut whole) => None,
            read = from.read(&mut bytes) => Some(read),
        };
        let Some(read) = read else {
            // The ends learn nothing: both stay open until the test is over.
            std::future::pending::<()>().await;
            return;
        };
        match read {
            Ok(count) if count > 0 => {
                if to.write_all(&bytes[..count]).await.is_err() {
                    return;
                }
            }
            _ => {
                drop(to.shutdown().await);
                return;
            }
        }
    }
}

async fn is_cut(whole: &mut watch::Receiver<bool>) {
    drop(whole.wait_for(|whole| !*whole).await);
}
