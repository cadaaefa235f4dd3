//! DNS over UDP: one question, one answer, in one datagram each.

use super::{
    template::Template,
    wire::{Answer, Wire},
};

/// One socket.
pub(crate) struct Dns {
    question: Template,
    next: u16,
    /// How many records an answer has.
    records: u16,
}

impl Dns {
    /// A socket that asks `question` and expects so many records.
    pub(crate) fn new(question: Template, records: u16) -> Self {
        Self {
            question,
            next: 0,
            records,
        }
    }

    /// Asks for the addresses of `name`.
    pub(crate) fn question(name: &str, groups: u64) -> Template {
        // Recursion desired, one question.
        let mut bytes = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            bytes.push(u8::try_from(label.len()).expect("a short label"));
            bytes.extend_from_slice(label.as_bytes());
        }
        // The root, type A, class IN.
        bytes.extend_from_slice(&[0, 0, 1, 0, 1]);
        Template::new(bytes, groups)
    }
}

impl Wire for Dns {
    fn ask(&mut self, number: u64, out: &mut Vec<u8>) -> u32 {
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        self.question.fill(number, out);
        // A datagram is all that is in `out`.
        out[..2].copy_from_slice(&id.to_be_bytes());
        id.into()
    }

    fn take(&mut self, input: &mut Vec<u8>, _out: &mut Vec<u8>, done: &mut dyn FnMut(Answer)) {
        if let [high, low, _, flags, _, _, count @ ..] = input.as_slice()
            && let Some((count, _)) = count.split_first_chunk()
        {
            let is_whole = u16::from_be_bytes(*count) == self.records;
            done(Answer {
                id: u16::from_be_bytes([*high, *low]).into(),
                good: flags & 0x0f == 0 && is_whole,
                index: 0,
            });
        }
        input.clear();
    }
}
