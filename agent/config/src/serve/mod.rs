//! Documents for the programs of the node.

pub mod control;
pub mod grpc;
pub mod http;
pub mod keys;
mod server;

pub use server::Server;

use hyper::HeaderMap;

use crate::{
    caller::{BadToken, Door, Reader},
    roles::Ledger,
};

/// Who asks, with the token that a request shows. One that is not valid is noted.
async fn recognised(
    (door, ledger): (&Door, &Ledger),
    guest: Reader,
    headers: &HeaderMap,
    asked: &str,
) -> Result<Reader, BadToken> {
    let name = guest.name.clone();
    let reader = door.recognise(guest, headers);
    if let Err(error) = reader {
        let sentence = error.to_string();
        ledger.note_stranger(&name, asked, &sentence).await;
    }
    reader
}
