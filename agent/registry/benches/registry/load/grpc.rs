//! gRPC over HTTP/2: requests whose frames are rendered once, answers of which only the frames are read.
//!
//! An answer is good when it has a message: a refused call has none, only trailers.

use prost::Message;

use super::{
    template::Template,
    wire::{Answer, Wire},
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Header of a frame: length, type, flags, stream.
const HEAD: usize = 9;
/// Header of a gRPC message: compression, length.
const PREFIX: usize = 5;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW: u8 = 8;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// Bytes that the other end may send without asking again; more than any case takes.
const ROOM: u32 = i32::MAX as u32;

/// What a call is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// One message, one answer.
    Unary,
    /// Each message of the answer counts.
    ServerStream,
    /// The same, and the request stays open, as etcd's watches want it.
    OpenStream,
}

/// One connection.
pub(crate) struct Grpc {
    call: Call,
    head: Vec<u8>,
    message: Template,
    next_stream: u32,
    /// Streams that had a message.
    answered: Vec<u32>,
}

impl Grpc {
    /// A connection that calls `path`, such as `/package.Service/Method`.
    pub(crate) fn new(path: &str, call: Call, message: &Template) -> Self {
        Self {
            call,
            head: header_block(path),
            message: message.clone(),
            next_stream: 1,
            answered: Vec::new(),
        }
    }

    /// The message of calls.
    pub(crate) fn message(message: &impl Message, groups: u64) -> Template {
        Template::new(message.encode_to_vec(), groups)
    }

    fn frame(&mut self, head: [u8; HEAD], payload: &[u8], out: &mut Vec<u8>) -> Option<Answer> {
        let [_, _, _, kind, flags, stream @ ..] = head;
        let id = u32::from_be_bytes(stream);
        let is_end = flags & END_STREAM != 0;
        match kind {
            SETTINGS if flags & ACK == 0 => frame(SETTINGS, ACK, 0, &[], out),
            PING if flags & ACK == 0 => frame(PING, ACK, 0, payload, out),
            DATA if self.call != Call::Unary => return Some(answer(id, payload.len() > PREFIX)),
            DATA => self.answered.push(id),
            HEADERS if is_end => {
                let had = self.answered.iter().position(|answered| *answered == id);
                let good = had.map(|place| self.answered.swap_remove(place)).is_some();
                return Some(answer(id, good && self.call == Call::Unary));
            }
            RESET => return Some(answer(id, false)),
            _ => {}
        }
        None
    }
}

fn answer(id: u32, good: bool) -> Answer {
    Answer { id, good, index: 0 }
}

impl Wire for Grpc {
    fn open(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(PREFACE);
        // SETTINGS_INITIAL_WINDOW_SIZE, then the window of the connection, which begins at 65,535.
        let window = [&[0, 4][..], &ROOM.to_be_bytes()].concat();
        frame(SETTINGS, 0, 0, &window, out);
        frame(WINDOW, 0, 0, &(ROOM - 65_535).to_be_bytes(), out);
    }

    fn ask(&mut self, number: u64, out: &mut Vec<u8>) -> u32 {
        let stream = self.next_stream;
        self.next_stream += 2;
        frame(HEADERS, END_HEADERS, stream, &self.head, out);
        let begin = out.len();
        out.resize(begin + HEAD + PREFIX, 0);
        self.message.fill(number, out);
        let length = (out.len() - begin - HEAD) as u32;
        let flags = match self.call {
            Call::OpenStream => 0,
            _ => END_STREAM,
        };
        out[begin..begin + HEAD].copy_from_slice(&frame_head(length, DATA, flags, stream));
        let message = (length - PREFIX as u32).to_be_bytes();
        out[begin + HEAD + 1..begin + HEAD + PREFIX].copy_from_slice(&message);
        stream
    }

    fn take(&mut self, input: &mut Vec<u8>, out: &mut Vec<u8>, done: &mut dyn FnMut(Answer)) {
        let mut at = 0;
        while let Some((head, rest)) = input[at..].split_first_chunk::<HEAD>() {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let Some(payload) = rest.get(..length) else {
                break;
            };
            at += HEAD + length;
            if let Some(answer) = self.frame(*head, payload, out) {
                done(answer);
            }
        }
        input.drain(..at);
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&frame_head(payload.len() as u32, kind, flags, stream));
    out.extend_from_slice(payload);
}

fn frame_head(length: u32, kind: u8, flags: u8, stream: u32) -> [u8; HEAD] {
    let [_, a, b, c] = length.to_be_bytes();
    let [s, t, u, v] = stream.to_be_bytes();
    [a, b, c, kind, flags, s, t, u, v]
}

/// The headers of a call, each in full: nothing is left to the state of the connection.
fn header_block(path: &str) -> Vec<u8> {
    // Entries 3 and 6 of HPACK's static table: POST, http.
    let mut block = vec![0x83, 0x86];
    for (name, value) in [
        (":path", path),
        (":authority", "registry"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ] {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).expect("a short header"));
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}
