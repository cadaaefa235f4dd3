//! Questions and answers with their length before them, many on one connection (RFC 7766).

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::timeout,
};
use tracing::{debug, warn};

use super::{Resolver, resolver::Transport};
use listen::{Shutdown, ending};

/// Connections at a time; further ones wait for their turn.
const MOST_CONNECTIONS: usize = 512;
/// How long a connection may be idle, or take for one question.
const IDLE: Duration = Duration::from_secs(10);
/// Pause after a failed accept: trying again at once would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections until `shutdown`; those that are open are closed then.
pub(super) async fn serve(listener: TcpListener, resolver: Arc<Resolver>, mut shutdown: Shutdown) {
    let mut connections = JoinSet::new();
    let turns = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let accepted = async {
            let turn = Arc::clone(&turns).acquire_owned().await;
            (listener.accept().await, turn)
        };
        tokio::select! {
            () = ending(&mut shutdown) => return,
            Some(_ended) = connections.join_next() => {}
            accepted = accepted => match accepted {
                (Ok((stream, asker)), turn) => {
                    let resolver = Arc::clone(&resolver);
                    connections.spawn(async move {
                        if let Err(error) = answer_all(stream, &resolver).await {
                            debug!(%error, %asker, "a DNS connection ended early");
                        }
                        drop(turn);
                    });
                }
                (Err(error), _) => {
                    warn!(%error, "cannot accept a DNS connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

/// Answers one question after the other, until the asker leaves or says nothing for long.
async fn answer_all(mut stream: TcpStream, resolver: &Resolver) -> io::Result<()> {
    stream.set_nodelay(true)?;
    while let Some(question) = timeout(IDLE, next(&mut stream)).await?? {
        let Some(answer) = resolver.answer(&question, Transport::Tcp) else {
            return Ok(());
        };
        let Ok(length) = u16::try_from(answer.len()) else {
            return Ok(());
        };
        let message = [&length.to_be_bytes()[..], &answer].concat();
        timeout(IDLE, stream.write_all(&message)).await??;
    }
    Ok(())
}

/// The next question; `None` when the asker left.
async fn next(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let length = match stream.read_u16().await {
        Ok(length) => length,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut question = vec![0; usize::from(length)];
    stream.read_exact(&mut question).await?;
    Ok(Some(question))
}
