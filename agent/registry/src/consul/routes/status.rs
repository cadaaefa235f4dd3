//! `/v1/status`: who leads. On one node that is always this one.

use super::elsewhere;
use crate::consul::{
    error::ApiError,
    http::{Answer, Head},
    server::Server,
};

pub(super) fn read(server: &Server, head: &Head, rest: &str) -> Result<Answer, ApiError> {
    let settings = server.settings();
    let address = std::net::SocketAddr::new(settings.address, settings.server_port).to_string();
    match rest {
        "leader" => Answer::render(&address, &head.options),
        "peers" => Answer::render(&[address], &head.options),
        _ => Ok(elsewhere(head)),
    }
}
