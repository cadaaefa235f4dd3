//! A profile in the format of `go tool pprof`: gzip around one `perftools.profiles.Profile`.
//!
//! The messages are those of `github.com/google/pprof/proto/profile.proto`, as far as they are used.

use std::{
    collections::HashMap,
    io::{self, Write as _},
};

use flate2::{Compression, write::GzEncoder};
use prost::Message as _;

use super::{Call, Group, Place, Profile};

/// Writes a profile; goroutines of the runtime itself are left out, as the runtime leaves them out.
///
/// A group has one sample with its number of goroutines and the stack of one of them; a group without a
/// stack has the function that it began with.
///
/// # Errors
/// When memory takes no more, which is not expected.
pub(super) fn encode(profile: &Profile, taken_unix_ns: u64) -> io::Result<Vec<u8>> {
    let mut message = Builder::default().build(profile);
    message.time_nanos = i64::try_from(taken_unix_ns).unwrap_or(i64::MAX);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&message.encode_to_vec())?;
    encoder.finish()
}

/// Numbers texts, functions and locations as they are met.
#[derive(Default)]
struct Builder {
    texts: HashMap<String, i64>,
    functions: HashMap<(i64, i64), u64>,
    locations: HashMap<Vec<(u64, i64)>, u64>,
    message: proto::Profile,
}

impl Builder {
    fn build(mut self, profile: &Profile) -> proto::Profile {
        // The first text is the empty one.
        self.text("");
        let kind = proto::ValueType {
            kind: self.text("goroutine"),
            unit: self.text("count"),
        };
        self.message.sample_type = vec![kind];
        self.message.period_type = Some(kind);
        self.message.period = 1;
        // Says that nothing is left to look up in the binary.
        self.message.mapping = vec![proto::Mapping {
            id: 1,
            has_functions: true,
            has_filenames: true,
            has_line_numbers: true,
            has_inline_frames: true,
            ..proto::Mapping::default()
        }];
        for group in profile.groups.iter().filter(|group| !group.system) {
            let sample = self.sample(group);
            self.message.sample.push(sample);
        }
        self.message
    }

    fn sample(&mut self, group: &Group) -> proto::Sample {
        let mut labels = vec![self.label("state", group.state)];
        if let Some(reason) = &group.wait_reason {
            labels.push(self.label("wait_reason", reason));
        }
        if let Some(site) = &group.created_by {
            let text = format!("{} {}:{}", site.function, site.file, site.line);
            labels.push(self.label("created_by", &text));
        }
        proto::Sample {
            location_id: self.stack(group),
            value: vec![i64::try_from(group.count).unwrap_or(i64::MAX)],
            label: labels,
        }
    }

    fn stack(&mut self, group: &Group) -> Vec<u64> {
        if group.stack.is_empty() {
            let start = group.start.as_ref();
            return start
                .map(|place| self.location(group.entry, &[place]))
                .into_iter()
                .collect();
        }
        // Calls that are inlined into one another share an address and are one location.
        let physical = group.stack.chunk_by(|inner, _| inner.inlined);
        physical
            .map(|calls: &[Call]| {
                let address = calls.first().map_or(0, |call| call.address);
                let places: Vec<&Place> = calls.iter().map(|call| &call.place).collect();
                self.location(address, &places)
            })
            .collect()
    }

    fn location(&mut self, address: u64, places: &[&Place]) -> u64 {
        let lines: Vec<(u64, i64)> = places
            .iter()
            .map(|place| (self.function(place), i64::from(place.line)))
            .collect();
        let next = self.message.location.len() as u64 + 1;
        let id = *self.locations.entry(lines.clone()).or_insert(next);
        if id == next {
            let line = |(function_id, line)| proto::Line { function_id, line };
            self.message.location.push(proto::Location {
                id,
                mapping_id: 1,
                address,
                line: lines.into_iter().map(line).collect(),
            });
        }
        id
    }

    fn function(&mut self, place: &Place) -> u64 {
        let (name, file) = (self.text(&place.function), self.text(&place.file));
        let next = self.message.function.len() as u64 + 1;
        let id = *self.functions.entry((name, file)).or_insert(next);
        if id == next {
            self.message.function.push(proto::Function {
                id,
                name,
                system_name: name,
                filename: file,
            });
        }
        id
    }

    fn label(&mut self, key: &str, value: &str) -> proto::Label {
        proto::Label {
            key: self.text(key),
            value: self.text(value),
        }
    }

    fn text(&mut self, text: &str) -> i64 {
        if let Some(known) = self.texts.get(text) {
            return *known;
        }
        let next = i64::try_from(self.message.string_table.len()).unwrap_or(i64::MAX);
        self.message.string_table.push(text.to_owned());
        self.texts.insert(text.to_owned(), next);
        next
    }
}

/// Numbers of text mean places in the table of texts.
mod proto {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Profile {
        #[prost(message, repeated, tag = "1")]
        pub(super) sample_type: Vec<ValueType>,
        #[prost(message, repeated, tag = "2")]
        pub(super) sample: Vec<Sample>,
        #[prost(message, repeated, tag = "3")]
        pub(super) mapping: Vec<Mapping>,
        #[prost(message, repeated, tag = "4")]
        pub(super) location: Vec<Location>,
        #[prost(message, repeated, tag = "5")]
        pub(super) function: Vec<Function>,
        #[prost(string, repeated, tag = "6")]
        pub(super) string_table: Vec<String>,
        #[prost(int64, tag = "9")]
        pub(super) time_nanos: i64,
        #[prost(message, optional, tag = "11")]
        pub(super) period_type: Option<ValueType>,
        #[prost(int64, tag = "12")]
        pub(super) period: i64,
    }

    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub(super) struct ValueType {
        #[prost(int64, tag = "1")]
        pub(super) kind: i64,
        #[prost(int64, tag = "2")]
        pub(super) unit: i64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Sample {
        #[prost(uint64, repeated, tag = "1")]
        pub(super) location_id: Vec<u64>,
        #[prost(int64, repeated, tag = "2")]
        pub(super) value: Vec<i64>,
        #[prost(message, repeated, tag = "3")]
        pub(super) label: Vec<Label>,
    }

    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub(super) struct Label {
        #[prost(int64, tag = "1")]
        pub(super) key: i64,
        #[prost(int64, tag = "2")]
        pub(super) value: i64,
    }

    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub(super) struct Mapping {
        #[prost(uint64, tag = "1")]
        pub(super) id: u64,
        #[prost(int64, tag = "5")]
        pub(super) filename: i64,
        #[prost(bool, tag = "7")]
        pub(super) has_functions: bool,
        #[prost(bool, tag = "8")]
        pub(super) has_filenames: bool,
        #[prost(bool, tag = "9")]
        pub(super) has_line_numbers: bool,
        #[prost(bool, tag = "10")]
        pub(super) has_inline_frames: bool,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Location {
        #[prost(uint64, tag = "1")]
        pub(super) id: u64,
        #[prost(uint64, tag = "2")]
        pub(super) mapping_id: u64,
        #[prost(uint64, tag = "3")]
        pub(super) address: u64,
        #[prost(message, repeated, tag = "4")]
        pub(super) line: Vec<Line>,
    }

    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub(super) struct Line {
        #[prost(uint64, tag = "1")]
        pub(super) function_id: u64,
        #[prost(int64, tag = "2")]
        pub(super) line: i64,
    }

    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub(super) struct Function {
        #[prost(uint64, tag = "1")]
        pub(super) id: u64,
        #[prost(int64, tag = "2")]
        pub(super) name: i64,
        #[prost(int64, tag = "3")]
        pub(super) system_name: i64,
        #[prost(int64, tag = "4")]
        pub(super) filename: i64,
    }
}
