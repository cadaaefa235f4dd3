//! One record of a ring, seen as its type.

use agent_ebpf::event::{
    EventHeader, KIND_GC_STOP, KIND_GRPC_SERVER, KIND_HTTP_SERVER, KIND_LOG,
    gc::GcStopEvent,
    grpc::GrpcServerEvent,
    http::HttpServerEvent,
    log::{LOG_HEAD_BYTES, LogHead},
    process::ProcessEvent,
};

/// Something that happened in a target.
#[derive(Debug)]
pub enum Event<'a> {
    /// An HTTP request ended.
    HttpServer(&'a HttpServerEvent),
    /// A gRPC call ended.
    GrpcServer(&'a GrpcServerEvent),
    /// The world was restarted.
    GcStop(&'a GcStopEvent),
    /// Bytes were written to stdout or stderr.
    Log(&'a LogHead, &'a [u8]),
}

/// A record that is not what it says.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Shorter than its type.
    #[error("event of kind {kind} has {length} bytes, {needed} are needed")]
    TooShort {
        /// `EventHeader::kind`, 0 when not even that is there.
        kind: u32,
        /// Bytes of the record.
        length: usize,
        /// Bytes of the type.
        needed: usize,
    },
    /// No such kind.
    #[error("event kind {kind} is unknown")]
    UnknownKind {
        /// `EventHeader::kind`.
        kind: u32,
    },
    /// The record does not start at a multiple of 8.
    #[error("event record is not aligned")]
    Unaligned,
}

impl DecodeError {
    /// Bounded word for metrics and logs.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::TooShort { .. } => "event_too_short",
            Self::UnknownKind { .. } => "event_unknown_kind",
            Self::Unaligned => "event_unaligned",
        }
    }
}

/// Wire types: `repr(C)`, integers and arrays only, so that any bytes are a value.
///
/// # Safety
/// Implementors hold to that.
unsafe trait Wire: Sized {}
// SAFETY: integers and arrays of them, explicit padding (asserted beside the type).
unsafe impl Wire for EventHeader {}
// SAFETY: as above.
unsafe impl Wire for HttpServerEvent {}
// SAFETY: as above.
unsafe impl Wire for GrpcServerEvent {}
// SAFETY: as above.
unsafe impl Wire for GcStopEvent {}
// SAFETY: as above.
unsafe impl Wire for LogHead {}
// SAFETY: as above.
unsafe impl Wire for ProcessEvent {}

impl<'a> Event<'a> {
    /// Reads a record of the event ring.
    ///
    /// # Errors
    /// When the record is shorter than its kind says, or the kind is unknown.
    pub fn decode(record: &'a [u8]) -> Result<Self, DecodeError> {
        let header: &EventHeader = view(record, 0)?;
        let kind = header.kind;
        Ok(match kind {
            KIND_HTTP_SERVER => Self::HttpServer(view(record, kind)?),
            KIND_GRPC_SERVER => Self::GrpcServer(view(record, kind)?),
            KIND_GC_STOP => Self::GcStop(view(record, kind)?),
            KIND_LOG => {
                let head: &LogHead = view(record, kind)?;
                let end = LOG_HEAD_BYTES.saturating_add(head.captured as usize);
                let data = record.get(LOG_HEAD_BYTES..end);
                let too_short = DecodeError::TooShort {
                    kind,
                    length: record.len(),
                    needed: end,
                };
                Self::Log(head, data.ok_or(too_short)?)
            }
            _ => return Err(DecodeError::UnknownKind { kind }),
        })
    }

    /// The header that every event has.
    #[must_use]
    pub fn header(&self) -> &EventHeader {
        match self {
            Self::HttpServer(event) => &event.header,
            Self::GrpcServer(event) => &event.header,
            Self::GcStop(event) => &event.header,
            Self::Log(head, _) => &head.header,
        }
    }
}

/// Reads a record of the process ring.
///
/// # Errors
/// When it is too short.
pub fn process_event(record: &[u8]) -> Result<&ProcessEvent, DecodeError> {
    view(record, 0)
}

fn view<T: Wire>(record: &[u8], kind: u32) -> Result<&T, DecodeError> {
    if record.len() < size_of::<T>() {
        return Err(DecodeError::TooShort {
            kind,
            length: record.len(),
            needed: size_of::<T>(),
        });
    }
    let start = record.as_ptr().cast::<T>();
    if !start.is_aligned() {
        return Err(DecodeError::Unaligned);
    }
    // SAFETY: long enough, aligned, any bytes are a `Wire` value, and the borrow keeps the record.
    Ok(unsafe { &*start })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(C, align(8))]
    struct Aligned([u8; 1024]);

    #[test]
    fn a_short_record_is_an_error() {
        let record = Aligned([0; 1024]);
        let error = Event::decode(&record.0[..31]).unwrap_err();
        assert_eq!(
            error,
            DecodeError::TooShort {
                kind: 0,
                length: 31,
                needed: 32
            }
        );
    }

    #[test]
    fn an_unknown_kind_is_an_error() {
        let mut record = Aligned([0; 1024]);
        record.0[0] = 99;
        assert_eq!(
            Event::decode(&record.0).unwrap_err(),
            DecodeError::UnknownKind { kind: 99 }
        );
    }

    #[test]
    fn a_log_write_may_not_reach_past_its_record() {
        let mut record = Aligned([0; 1024]);
        record.0[0] = KIND_LOG as u8;
        // `captured` sits at byte 112.
        record.0[112..116].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(
            Event::decode(&record.0),
            Err(DecodeError::TooShort { .. })
        ));
        record.0[112..116].copy_from_slice(&5u32.to_le_bytes());
        assert!(matches!(Event::decode(&record.0), Ok(Event::Log(_, data)) if data.len() == 5));
    }

    #[test]
    fn an_unaligned_record_is_an_error() {
        let record = Aligned([0; 1024]);
        assert_eq!(
            Event::decode(&record.0[1..]).unwrap_err(),
            DecodeError::Unaligned
        );
    }
}
