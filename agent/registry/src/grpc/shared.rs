//! Messages that many watchers share: encoded once, sent as bytes.

use std::sync::LazyLock;

use bytes::{Buf, BufMut, Bytes};
use prost::{
    DecodeError, Message,
    encoding::{DecodeContext, WireType, skip_field},
};

use super::{v1::WatchResponse, write};
use crate::{Revision, Trust};

/// That nothing is in doubt, which nearly all messages say.
static CERTAIN: LazyLock<Bytes> = LazyLock::new(|| encode_trust(Trust::default()));

fn encode_trust(trust: Trust) -> Bytes {
    let own = WatchResponse {
        trust: Some(write::trust(trust)),
        ..WatchResponse::default()
    };
    own.encode_to_vec().into()
}

/// A [`WatchResponse`] as it goes over the wire. It is only ever sent: read, it is empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared {
    /// Revision that the message tells.
    pub(super) revision: Revision,
    encoded: Bytes,
    /// Fields that are this watcher's own. Encoded messages that follow each other are one message.
    own: Bytes,
}

impl Shared {
    /// Encodes a message.
    pub(super) fn of(message: &WatchResponse) -> Self {
        Self::encoded(Revision(message.revision), message.encode_to_vec().into())
    }

    /// A message at `revision` that is encoded already.
    pub(super) fn encoded(revision: Revision, encoded: Bytes) -> Self {
        Self {
            revision,
            encoded,
            own: Bytes::new(),
        }
    }

    /// The message without what is this watcher's own.
    pub(super) fn bytes(&self) -> Bytes {
        self.encoded.clone()
    }

    /// Says how far the message is to be trusted, which changes without the service.
    pub(super) fn with_trust(self, trust: Trust) -> Self {
        let own = match trust == Trust::default() {
            true => CERTAIN.clone(),
            false => encode_trust(trust),
        };
        Self { own, ..self }
    }
}

impl Message for Shared {
    fn encode_raw(&self, out: &mut impl BufMut) {
        out.put_slice(&self.encoded);
        out.put_slice(&self.own);
    }

    fn encoded_len(&self) -> usize {
        self.encoded.len() + self.own.len()
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        from: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        skip_field(wire_type, tag, from, context)
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}
