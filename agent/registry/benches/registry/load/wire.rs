//! What a protocol is to the generator: bytes out, answers in.

/// One answer, or one message of a stream.
#[derive(Clone, Copy)]
pub(crate) struct Answer {
    /// What [`Wire::ask`] returned for its request.
    pub(crate) id: u32,
    /// Whether it says what it should.
    pub(crate) good: bool,
    /// Index of the answer, where the protocol has one.
    pub(crate) index: u64,
}

/// One connection's side of a protocol.
pub(crate) trait Wire {
    /// Appends what is said first.
    fn open(&mut self, _out: &mut Vec<u8>) {}

    /// Appends a request. Returns by which id its answer is known.
    fn ask(&mut self, number: u64, out: &mut Vec<u8>) -> u32;

    /// Reads what came: takes whole answers from the front of `input` and leaves the rest. What the
    /// protocol has to say to it goes to `out`.
    fn take(&mut self, input: &mut Vec<u8>, out: &mut Vec<u8>, done: &mut dyn FnMut(Answer));
}
