//! Counters kept by the kernel side.
//!
//! `COUNTERS[cpu][counter]` is global; `SLOT_HITS[slot][program]` is per target. Both only rise.
//! Every record that was to be written is in `EventsSubmitted`, `EventsRingFull` or `EventsDiscarded`.

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident = $value:literal, $text:literal;)*) => {
        /// What happened, and how often. Append-only: the numbers are an interface.
        #[repr(u32)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Counter {
            $($(#[$doc])* $name = $value,)*
        }

        impl Counter {
            /// Every counter in order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The fixed word for metrics and logs.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

counters! {
    /// Records written to the event ring.
    EventsSubmitted = 0, "events_submitted";
    /// Records lost because the event ring was full.
    EventsRingFull = 1, "ring_full";
    /// A hit of a process that is no target (any more): exec, exit, or a probe by file.
    NotTarget = 2, "not_target";
    /// `g` could not be validated (cgo, signal stack).
    NoGoroutine = 3, "no_goroutine";
    /// A read of the target's memory failed.
    ReadFailed = 4, "read_failed";
    /// The map of open spans was full; the request has no span.
    OpenMapFull = 5, "open_map_full";
    /// A span was replaced by the next start on its goroutine (panic or hijack before).
    AbandonedNextStart = 6, "abandoned_next_start";
    /// An end without a start (request began before attach, or `100-continue` was refused).
    EndWithoutStart = 7, "end_without_start";
    /// An end whose object is not the one that started.
    EndMismatch = 8, "end_mismatch";
    /// A request over HTTP/2, which has no span yet.
    Http2Unsupported = 9, "http2_unsupported";
    /// A `traceparent` header that is not valid W3C trace context; a new trace was started.
    TraceparentInvalid = 10, "traceparent_invalid";
    /// More header groups or buckets than are searched; a new trace was started.
    HeadersTooMany = 11, "headers_too_many";
    /// Hits of a `jbe` site whose branch is taken: the stack grows, the function runs again.
    StackGrowth = 12, "stack_growth";
    /// Records lost because the process ring was full.
    ProcessRingFull = 13, "process_ring_full";
    /// A log write longer than the largest class; its tail is missing.
    LogTruncated = 14, "log_truncated";
    /// Log writes of a descriptor other than stdout and stderr.
    LogOtherFile = 15, "log_other_file";
    /// An offset the program needs is not known for this binary.
    NoOffset = 16, "no_offset";
    /// Records given back to the ring because a read of the target failed half-way.
    EventsDiscarded = 17, "events_discarded";
    /// Contexts around incoming gRPC metadata are nested deeper than is searched; a new trace was started.
    ContextTooDeep = 18, "context_too_deep";
    /// Spans put into the map of open spans.
    SpansOpened = 19, "spans_opened";
    /// Spans taken out of it by their end.
    SpansClosed = 20, "spans_closed";
    /// Log writes left out because the ring was three quarters full: spans go first.
    LogsShed = 21, "logs_shed";
    /// The map of creation sites was full; what a goroutine did is missing at its site.
    GoroutineSitesFull = 22, "goroutine_sites_full";
    /// The map of begin times was full; one lifetime or one wait is missing.
    GoroutineMarksFull = 23, "goroutine_marks_full";
}

/// Number of counters.
pub const COUNTERS: u32 = Counter::ALL.len() as u32;

macro_rules! programs {
    ($($(#[$doc:meta])* $name:ident = $value:literal, $text:literal;)*) => {
        /// The uprobe programs, by the index their hits are counted under.
        #[repr(u32)]
        #[cfg_attr(feature = "user", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "user", serde(rename_all = "snake_case"))]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Program {
            $($(#[$doc])* $name = $value,)*
        }

        impl Program {
            /// Every program in order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Name of the function in the eBPF object.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

programs! {
    /// `net/http.serverHandler.ServeHTTP`.
    HttpServerStart = 0, "http_server_start";
    /// `net/http.(*response).finishRequest`.
    HttpServerEnd = 1, "http_server_end";
    /// `google.golang.org/grpc.(*Server).handleStream`.
    GrpcServerStart = 2, "grpc_server_start";
    /// `(*http2Server).writeStatus` or `WriteStatus`: gRPC's own transport.
    GrpcServerEnd = 3, "grpc_server_end";
    /// `runtime.startTheWorldWithSema`.
    GcStop = 4, "gc_stop";
    /// `runtime.newproc1`.
    GoroutineNew = 5, "goroutine_new";
    /// `net.(*netFD).Read`.
    NetRead = 6, "net_read";
    /// `net.(*netFD).Write`.
    NetWrite = 7, "net_write";
    /// `os.(*File).Write`.
    LogWrite = 8, "log_write";
    /// `(*serverHandlerTransport).writeStatus` or `WriteStatus`: gRPC behind net/http's HTTP/2.
    GrpcHandlerEnd = 9, "grpc_handler_end";
    /// `runtime.gdestroy`, before Go 1.22 `runtime.goexit0`.
    GoroutineExit = 10, "goroutine_exit";
    /// `runtime.newproc.func1`, behind its call of `runtime.newproc1`.
    GoroutineBorn = 11, "goroutine_born";
    /// `runtime.ready`.
    SchedReady = 12, "sched_ready";
    /// `runtime.execute`.
    SchedExecute = 13, "sched_execute";
    /// `runtime.newcoro.func1`, behind its call of `runtime.newproc1`.
    CoroutineBorn = 14, "coroutine_born";
}

/// Number of programs, rounded up so that a slot's row is a power of two.
pub const PROGRAM_ROW: u32 = 16;

const _: () = assert!(Program::ALL.len() <= PROGRAM_ROW as usize);
