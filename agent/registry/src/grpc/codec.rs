//! How messages of calls are put into bytes.

use prost::Message;
use tonic::codec::{BufferSettings, Codec};
use tonic_prost::ProstCodec;

/// Bytes of a stream's buffer at first; it grows with what is sent. tonic's own 8 KiB would stay with each
/// watcher for as long as it watches.
const BUFFER: usize = 512;
/// As much is put together before it is sent, as tonic does.
const TOGETHER: usize = 32 * 1024;

/// prost's codec with small buffers.
pub(crate) struct SmallCodec<T, U>(ProstCodec<T, U>);

impl<T, U> Default for SmallCodec<T, U> {
    fn default() -> Self {
        Self(ProstCodec::new())
    }
}

impl<T, U> Codec for SmallCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = <ProstCodec<T, U> as Codec>::Encoder;
    type Decoder = <ProstCodec<T, U> as Codec>::Decoder;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(BufferSettings::new(BUFFER, TOGETHER))
    }

    fn decoder(&mut self) -> Self::Decoder {
        self.0.decoder()
    }
}
