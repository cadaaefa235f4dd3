//! Log records become streams of a push request.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use prost::Message;

use super::proto::{Entry, Label, PushRequest, Stream, Timestamp};
use crate::{
    clock::UnixNanos, identity::Resource, logs::LogRecord, telemetry::expose::escape_label,
};

/// Timestamps remembered per stream: a line that comes later than this many others may share one.
const REMEMBERED: usize = 2_048;

/// Streams whose timestamps are remembered; beyond that the memory starts anew.
const STREAMS: usize = 1_024;

/// Encodes batches, and remembers which timestamps each stream has used.
pub(super) struct Encoder {
    labels: BTreeMap<String, String>,
    used: HashMap<String, BTreeSet<u64>>,
}

impl Encoder {
    /// An encoder that adds `labels` to every stream.
    pub(super) fn new(labels: &BTreeMap<String, String>) -> Self {
        let labels = labels
            .iter()
            .map(|(name, value)| (label_name(name), value.clone()))
            .collect();
        Self {
            labels,
            used: HashMap::new(),
        }
    }

    /// The body of a push: protobuf in a snappy block.
    pub(super) fn encode(&mut self, batch: &[Arc<LogRecord>]) -> Vec<u8> {
        let plain = self.request(batch).encode_to_vec();
        let mut body = vec![0; snap::raw::max_compress_len(plain.len())];
        // It fails only past 4 GiB, and when the buffer is smaller than the length just asked for.
        let written = snap::raw::Encoder::new()
            .compress(&plain, &mut body)
            .unwrap_or(0);
        body.truncate(written);
        body
    }

    fn request(&mut self, batch: &[Arc<LogRecord>]) -> PushRequest {
        let mut streams: BTreeMap<String, Vec<&LogRecord>> = BTreeMap::new();
        for record in batch {
            let labels = self.stream_labels(&record.resource);
            streams.entry(labels).or_default().push(record);
        }
        if self.used.len() > STREAMS {
            self.used.clear();
        }
        let streams = streams
            .into_iter()
            .map(|(labels, records)| {
                let used = self.used.entry(labels.clone()).or_default();
                Stream {
                    labels,
                    entries: entries(records, used),
                }
            })
            .collect();
        PushRequest { streams }
    }

    /// Identity labels win over configured ones, which must not move lines to another service.
    fn stream_labels(&self, resource: &Resource) -> String {
        let mut labels: BTreeMap<&str, &str> = self
            .labels
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        labels.insert("service_name", &resource.service_name);
        if let Some(namespace) = &resource.service_namespace {
            labels.insert("service_namespace", namespace);
        }
        let mut text = String::from("{");
        for (name, value) in labels.into_iter().filter(|(_, value)| !value.is_empty()) {
            if text.len() > 1 {
                text.push_str(", ");
            }
            text.push_str(name);
            text.push_str("=\"");
            escape_label(&mut text, value);
            text.push('"');
        }
        text.push('}');
        text
    }
}

/// Sorts lines by time and gives each a timestamp that its stream has not used.
///
/// Loki drops an entry whose timestamp and line it has already, whatever its metadata: two requests
/// that log the same words at the same moment would lose one line.
fn entries(mut records: Vec<&LogRecord>, used: &mut BTreeSet<u64>) -> Vec<Entry> {
    records.sort_by_key(|record| record.time);
    let mut entries: Vec<(u64, Entry)> = records
        .into_iter()
        .map(|record| {
            let mut time = record.time.0;
            while !used.insert(time) {
                time = time.saturating_add(1);
            }
            (time, entry(record, UnixNanos(time)))
        })
        .collect();
    while used.len() > REMEMBERED {
        used.pop_first();
    }
    // A line moved past the next one's time must not stand before it.
    entries.sort_by_key(|(time, _)| *time);
    entries.into_iter().map(|(_, entry)| entry).collect()
}

fn entry(record: &LogRecord, time: UnixNanos) -> Entry {
    let mut metadata = vec![("pid", record.resource.pid.to_string())];
    if let Some((trace_id, span_id)) = record.span {
        metadata.push(("trace_id", trace_id.to_string()));
        metadata.push(("span_id", span_id.to_string()));
    }
    if let Some(level) = record.level {
        metadata.push(("level", level.as_str().to_owned()));
    }
    if record.goid != 0 {
        metadata.push(("goid", record.goid.to_string()));
    }
    let stream = match record.stream {
        crate::logs::Stream::Stdout => "stdout",
        crate::logs::Stream::Stderr => "stderr",
    };
    metadata.push(("stream", stream.to_owned()));
    Entry {
        timestamp: Some(Timestamp {
            seconds: i64::try_from(time.0 / 1_000_000_000).unwrap_or(i64::MAX),
            nanos: i32::try_from(time.0 % 1_000_000_000).unwrap_or(0),
        }),
        line: record.line.clone(),
        structured_metadata: metadata
            .into_iter()
            .map(|(name, value)| Label {
                name: name.to_owned(),
                value,
            })
            .collect(),
    }
}

/// A label name that Loki accepts: letters, digits and underscores, no digit first.
fn label_name(name: &str) -> String {
    let mut clean: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    if clean.starts_with(|c: char| c.is_ascii_digit()) || clean.is_empty() {
        clean.insert(0, '_');
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::testing;

    fn plain(body: &[u8]) -> Vec<u8> {
        snap::raw::Decoder::new()
            .decompress_vec(body)
            .expect("a snappy block")
    }

    fn push(encoder: &mut Encoder, batch: Vec<LogRecord>) -> PushRequest {
        let batch: Vec<_> = batch.into_iter().map(Arc::new).collect();
        PushRequest::decode(&*plain(&encoder.encode(&batch))).expect("decodes")
    }

    fn nanos(entry: &Entry) -> u64 {
        let time = entry.timestamp.as_ref().expect("set");
        time.seconds as u64 * 1_000_000_000 + time.nanos as u64
    }

    /// Reads our bytes with message types that others generated from Loki's definitions.
    #[test]
    fn another_implementation_reads_labels_times_and_lines() {
        use loki_api::{logproto::PushRequest as Theirs, prost::Message as _};
        let labels = [("cluster".to_owned(), "a\"b".to_owned())].into();
        let batch = [Arc::new(testing::log("shop", "hello \u{1f980}", true))];
        let body = Encoder::new(&labels).encode(&batch);
        let request = Theirs::decode(&*plain(&body)).expect("decodes");
        assert_eq!(request.streams.len(), 1);
        let stream = &request.streams[0];
        assert_eq!(stream.labels, r#"{cluster="a\"b", service_name="shop"}"#);
        assert_eq!(stream.entries[0].line, "hello \u{1f980}");
        let time = stream.entries[0].timestamp.as_ref().expect("set");
        assert_eq!((time.seconds, time.nanos), (1_795_435_200, 1_000_000));
    }

    #[test]
    fn ids_are_structured_metadata_and_never_labels() {
        let mut encoder = Encoder::new(&BTreeMap::new());
        let request = push(
            &mut encoder,
            vec![
                testing::log("shop", "joined", true),
                testing::log("shop", "alone", false),
            ],
        );
        assert_eq!(request.streams.len(), 1, "ids must not split streams");
        let entries = &request.streams[0].entries;
        let pairs = |entry: &Entry| -> Vec<String> {
            entry
                .structured_metadata
                .iter()
                .map(|pair| format!("{}={}", pair.name, pair.value))
                .collect()
        };
        assert_eq!(
            pairs(&entries[0]),
            [
                "pid=42",
                "trace_id=abababababababababababababababab",
                "span_id=cdcdcdcdcdcdcdcd",
                "level=info",
                "goid=7",
                "stream=stdout"
            ]
        );
        assert_eq!(
            pairs(&entries[1]),
            ["pid=42", "level=info", "goid=7", "stream=stdout"]
        );
    }

    #[test]
    fn timestamps_are_unique_per_stream_over_batches_and_sorted() {
        let mut encoder = Encoder::new(&BTreeMap::new());
        let at = |offset: u64| {
            let mut record = testing::log("shop", "same", false);
            record.time = UnixNanos(testing::NOON + offset);
            record
        };
        let times = |request: &PushRequest| -> Vec<u64> {
            let entries = &request.streams[0].entries;
            entries
                .iter()
                .map(|entry| nanos(entry) - testing::NOON)
                .collect()
        };
        let first = push(&mut encoder, vec![at(5), at(0), at(0), at(1), at(0)]);
        assert_eq!(times(&first), [0, 1, 2, 3, 5]);
        let second = push(&mut encoder, vec![at(5), at(4), at(3)]);
        assert_eq!(times(&second), [4, 6, 7]);
    }

    #[test]
    fn configured_labels_are_made_legal_and_do_not_replace_identity() {
        let labels = [
            ("k8s.cluster-name", "prod"),
            ("service_name", "other"),
            ("1st", "x"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut encoder = Encoder::new(&labels.into());
        let mut record = testing::log("shop", "line", false);
        let mut resource = (*record.resource).clone();
        resource.service_namespace = Some("store".to_owned());
        record.resource = Arc::new(resource);
        let request = push(&mut encoder, vec![record]);
        assert_eq!(
            request.streams[0].labels,
            r#"{_1st="x", k8s_cluster_name="prod", service_name="shop", service_namespace="store"}"#
        );
    }
}
