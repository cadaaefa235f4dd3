//! What the agent asks of every binary, in its order.

use symbols::GoBinary;

/// Functions that programs sit on, with names of former releases.
const FUNCTIONS: [&str; 12] = [
    "net/http.serverHandler.ServeHTTP",
    "net/http.(*response).finishRequest",
    "google.golang.org/grpc.(*Server).handleStream",
    "google.golang.org/grpc/internal/transport.(*http2Server).writeStatus",
    "google.golang.org/grpc/internal/transport.(*http2Server).WriteStatus",
    "google.golang.org/grpc/internal/transport.(*serverHandlerTransport).writeStatus",
    "google.golang.org/grpc/internal/transport.(*serverHandlerTransport).WriteStatus",
    "runtime.startTheWorldWithSema",
    "runtime.newproc1",
    "net.(*netFD).Read",
    "net.(*netFD).Write",
    "os.(*File).Write",
];

const STRUCTS: [&str; 14] = [
    "runtime.g",
    "runtime.workType",
    "net/http.Request",
    "net/http.response",
    "os.File",
    "os.file",
    "google.golang.org/grpc/internal/transport.Stream",
    "google.golang.org/grpc/internal/transport.ServerStream",
    "google.golang.org/grpc/internal/status.Status",
    "google.golang.org/genproto/googleapis/rpc/status.Status",
    "runtime.mstats",
    "runtime.gcControllerState",
    "runtime.schedt",
    "runtime.p",
];

const VARIABLES: [&str; 7] = [
    "runtime.work",
    "runtime.memstats",
    "runtime.gcController",
    "runtime.gomaxprocs",
    "runtime.allglen",
    "runtime.allp",
    "runtime.sched",
];

/// Lists of functions, each one pass over all names.
const LISTS: [fn(&str) -> bool; 5] = [
    |name| name.starts_with("bufio.(*Writer)."),
    |name| name.starts_with("log/slog.(*commonHandler)."),
    |name| name.starts_with("io.(*multiWriter)."),
    |name| {
        name.rsplit('/')
            .next()
            .is_some_and(|own| own.to_ascii_lowercase().contains("flush"))
    },
    |name| name == "bytes.(*Buffer).WriteTo",
];

/// Asks everything and counts the answers, so that a case that suddenly knows less is seen.
pub(crate) fn ask(binary: &GoBinary<'_>) -> usize {
    let functions = FUNCTIONS.iter().filter(|&&name| {
        let function = binary.function(name);
        function.is_ok_and(|function| binary.probe_site(&function).is_ok())
    });
    let mut answers = functions.count();
    let layouts = binary.layouts(&STRUCTS);
    answers += STRUCTS.iter().filter(|&&name| layouts.has(name)).count();
    let variables = VARIABLES
        .iter()
        .filter(|&&name| binary.variable(name).is_ok());
    answers += variables.count();
    answers += usize::from(binary.types_address().is_ok());
    std::hint::black_box((binary.map_kind(), binary.sources()));
    for list in LISTS {
        answers += usize::from(
            binary
                .functions_where(list)
                .is_ok_and(|found| !found.is_empty()),
        );
    }
    answers
}
