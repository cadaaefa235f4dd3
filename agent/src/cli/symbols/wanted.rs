//! What golens looks for in every binary.

/// Functions that probes sit on, by subject.
pub(super) const FUNCTIONS: [(&str, &str); 8] = [
    ("http", "net/http.serverHandler.ServeHTTP"),
    ("http", "net/http.(*response).finishRequest"),
    ("grpc", "google.golang.org/grpc.(*Server).handleStream"),
    (
        "grpc",
        "google.golang.org/grpc/internal/transport.(*http2Server).writeStatus",
    ),
    ("gc", "runtime.startTheWorldWithSema"),
    ("goroutine", "runtime.newproc1"),
    ("net", "internal/poll.(*FD).Read"),
    ("log", "os.(*File).Write"),
];

/// Struct fields that probes and the memory reader follow; of names with `|` between them, a release
/// has one.
pub(super) const FIELDS: [(&str, &[&str]); 10] = [
    ("runtime.g", &["goid", "m"]),
    ("runtime.m", &["curg"]),
    ("runtime.p", &["gFree.n|gFree.size"]),
    (
        "runtime.schedt",
        &[
            "ngsys",
            "gFree.n|gFree.stack.size",
            "gFree.n|gFree.noStack.size",
        ],
    ),
    (
        "runtime.mstats",
        &[
            "numgc",
            "pause_total_ns",
            "pause_ns",
            "pause_end",
            "last_gc_unix",
        ],
    ),
    (
        "runtime.gcControllerState",
        &["heapMarked", "gcPercentHeapGoal", "memoryLimit"],
    ),
    (
        "net/http.Request",
        &[
            "Method",
            "ProtoMajor",
            "Header",
            "Host",
            "RemoteAddr",
            "RequestURI",
            "Pattern",
        ],
    ),
    ("net/http.response", &["req", "status", "written"]),
    ("os.File", &["file"]),
    ("os.file", &["pfd.Sysfd"]),
];

/// Runtime variables that the memory reader copies.
pub(super) const VARIABLES: [&str; 7] = [
    "runtime.memstats",
    "runtime.gcController",
    "runtime.gomaxprocs",
    "runtime.allglen",
    "runtime.allp",
    "runtime.sched",
    "runtime.work",
];
