//! One datagram, one answer.

use std::{sync::Arc, thread::available_parallelism};

use tokio::net::UdpSocket;
use tracing::debug;

use super::{Resolver, resolver::Transport};
use listen::{Shutdown, ending};

/// Bytes of the largest question that is read: a name has at most 255, and EDNS options add a little.
const LARGEST: usize = 4096;

/// How many tasks read from one socket. Answers are made where they are read, so this many at once.
pub(super) fn tasks() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// Answers until `shutdown`.
pub(super) async fn serve(socket: Arc<UdpSocket>, resolver: Arc<Resolver>, mut shutdown: Shutdown) {
    let answered = answer_all(&socket, &resolver);
    tokio::select! {
        () = answered => {}
        () = ending(&mut shutdown) => {}
    }
}

async fn answer_all(socket: &UdpSocket, resolver: &Resolver) {
    let mut buffer = vec![0; LARGEST];
    loop {
        // An error belongs to an answer that somebody did not wait for.
        let Ok((length, asker)) = socket.recv_from(&mut buffer).await else {
            tokio::task::yield_now().await;
            continue;
        };
        let question = buffer.get(..length).unwrap_or_default();
        let Some(answer) = resolver.answer(question, Transport::Udp) else {
            continue;
        };
        if let Err(error) = socket.send_to(&answer, asker).await {
            debug!(%error, %asker, "a DNS answer was not sent");
        }
    }
}
