//! HTTP/1.1 with keep-alive, one request at a time.

use super::{
    template::Template,
    wire::{Answer, Wire},
};

/// One connection.
pub(crate) struct Http1 {
    request: Template,
}

impl Http1 {
    /// A connection that sends `request`, head and body.
    pub(crate) fn new(request: Template) -> Self {
        Self { request }
    }

    /// A GET of `path`.
    pub(crate) fn get(path: &str, groups: u64) -> Template {
        Template::new(
            format!("GET {path} HTTP/1.1\r\nHost: registry\r\n\r\n"),
            groups,
        )
    }

    /// A PUT of JSON to `path`, with the headers of the Go client.
    pub(crate) fn put(path: &str, json: &str, groups: u64) -> Template {
        let length = json.len();
        let head = format!(
            "PUT {path} HTTP/1.1\r\nHost: registry\r\nUser-Agent: Go-http-client/1.1\r\n\
             Content-Length: {length}\r\nContent-Type: application/json; charset=utf-8\r\n\r\n"
        );
        Template::new(head + json, groups)
    }
}

impl Wire for Http1 {
    fn ask(&mut self, number: u64, out: &mut Vec<u8>) -> u32 {
        self.request.fill(number, out);
        0
    }

    fn take(&mut self, input: &mut Vec<u8>, _out: &mut Vec<u8>, done: &mut dyn FnMut(Answer)) {
        let mut at = 0;
        while let Some((length, answer)) = whole(&input[at..]) {
            at += length;
            done(answer);
        }
        input.drain(..at);
    }
}

/// Length and content of the answer that `input` begins with, if it is there to its end.
fn whole(input: &[u8]) -> Option<(usize, Answer)> {
    let mut at = 0;
    let mut body = 0;
    let mut index = 0;
    loop {
        let line = input[at..].iter().position(|byte| *byte == b'\n')?;
        let text = input[at..at + line].trim_ascii_end();
        at += line + 1;
        if text.is_empty() {
            break;
        }
        let number = |name: &[u8]| {
            let (start, rest) = text.split_at_checked(name.len())?;
            let value = start.eq_ignore_ascii_case(name).then_some(rest)?;
            std::str::from_utf8(value).ok()?.trim().parse::<u64>().ok()
        };
        match text.first()? {
            b'c' | b'C' => body = number(b"content-length:").map_or(body, |n| n as usize),
            b'x' | b'X' => index = number(b"x-consul-index:").unwrap_or(index),
            _ => {}
        }
    }
    let length = at + body;
    let answer = Answer {
        id: 0,
        good: input.get(9..12)? == b"200",
        index,
    };
    (input.len() >= length).then_some((length, answer))
}
