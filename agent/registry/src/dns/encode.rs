//! A message to bytes, within a limit.

use hickory_proto::{
    ProtoError,
    op::Message,
    serialize::binary::{BinEncodable, BinEncoder},
};

/// Bytes of the record that EDNS adds, without options.
const EDNS_BYTES: u16 = 11;
/// Where a header has the TC flag, and which bit it is.
const TRUNCATED: (usize, u8) = (2, 0x02);
/// Where a header counts answers, authorities and additionals, 2 bytes each.
const COUNTS: usize = 6;

/// Encodes `message` in at most `limit` bytes. Additional records that do not fit are left out; answers that
/// do not fit are, too, and the TC flag says that there are more.
///
/// # Errors
/// When a record cannot be encoded at all.
pub(super) fn encode(mut message: Message, limit: u16) -> Result<Vec<u8>, ProtoError> {
    let bytes = emit(&message, limit)?;
    if !is_truncated(&bytes) {
        return Ok(bytes);
    }
    // How many fit beside EDNS?
    let edns = message.edns.take();
    let room = match edns {
        Some(_) => limit.saturating_sub(EDNS_BYTES),
        None => limit,
    };
    let part = emit(&message, room)?;
    let [answers, authorities, additionals] = counts(&part);
    message.metadata.truncation = answers < message.answers.len();
    message.answers.truncate(answers);
    message.authorities.truncate(authorities);
    message
        .additionals
        .truncate(match message.metadata.truncation {
            true => 0,
            false => additionals,
        });
    message.edns = edns;
    emit(&message, limit)
}

fn emit(message: &Message, limit: u16) -> Result<Vec<u8>, ProtoError> {
    let mut bytes = Vec::with_capacity(512);
    let mut encoder = BinEncoder::new(&mut bytes);
    encoder.set_max_size(limit);
    message.emit(&mut encoder)?;
    Ok(bytes)
}

fn is_truncated(bytes: &[u8]) -> bool {
    let (at, bit) = TRUNCATED;
    bytes.get(at).is_some_and(|flags| flags & bit != 0)
}

fn counts(bytes: &[u8]) -> [usize; 3] {
    [0, 1, 2].map(|number| {
        let at = COUNTS + 2 * number;
        let count = bytes.get(at..).and_then(|bytes| bytes.first_chunk());
        count.map_or(0, |count| usize::from(u16::from_be_bytes(*count)))
    })
}
