//! Apollo's protocol: the server as clients see it, and the client against a server that follows the protocol.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up must stop"
)]

mod access;
mod client;
mod node;
mod protocol;
mod upstream;
