//! Which Go functions each program sits on.

use agent_ebpf::counter::Program;

/// The function a program sits on.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// The program.
    pub program: Program,
    /// The function by its present name.
    pub function: &'static str,
    /// The names it had before.
    pub formerly: &'static [&'static str],
}

/// Every function that is looked for in a binary.
///
/// go-sym: net/http.serverHandler.ServeHTTP 1.17..=1.27 server.go
/// go-sym: net/http.(*response).finishRequest 1.17..=1.27 server.go
/// go-sym: runtime.startTheWorldWithSema 1.17..=1.27 proc.go
/// go-sym: runtime.newproc1 1.17..=1.27 proc.go
/// go-sym: runtime.newproc.func1 1.17..=1.27 proc.go
/// go-sym: runtime.newcoro.func1 1.23..=1.27 coro.go
/// go-sym: runtime.gdestroy 1.22..=1.27 proc.go
/// go-sym: runtime.goexit0 1.17..=1.27 proc.go
/// go-sym: runtime.ready 1.17..=1.27 proc.go
/// go-sym: runtime.execute 1.17..=1.27 proc.go
/// go-sym: net.(*netFD).Read 1.17..=1.27 fd_posix.go
/// go-sym: net.(*netFD).Write 1.17..=1.27 fd_posix.go
/// go-sym: os.(*File).Write 1.17..=1.27 file.go
pub const WANTED: [Wanted; 15] = [
    Wanted {
        program: Program::HttpServerStart,
        function: "net/http.serverHandler.ServeHTTP",
        formerly: &[],
    },
    Wanted {
        program: Program::HttpServerEnd,
        function: "net/http.(*response).finishRequest",
        formerly: &[],
    },
    Wanted {
        program: Program::GrpcServerStart,
        function: "google.golang.org/grpc.(*Server).handleStream",
        formerly: &[],
    },
    Wanted {
        program: Program::GrpcServerEnd,
        function: "google.golang.org/grpc/internal/transport.(*http2Server).writeStatus",
        formerly: &["google.golang.org/grpc/internal/transport.(*http2Server).WriteStatus"],
    },
    Wanted {
        program: Program::GrpcHandlerEnd,
        function: "google.golang.org/grpc/internal/transport.(*serverHandlerTransport).writeStatus",
        formerly: &[
            "google.golang.org/grpc/internal/transport.(*serverHandlerTransport).WriteStatus",
        ],
    },
    Wanted {
        program: Program::GcStop,
        function: "runtime.startTheWorldWithSema",
        formerly: &[],
    },
    Wanted {
        program: Program::GoroutineNew,
        function: "runtime.newproc1",
        formerly: &[],
    },
    Wanted {
        program: Program::GoroutineExit,
        function: "runtime.gdestroy",
        formerly: &["runtime.goexit0"],
    },
    Wanted {
        program: Program::GoroutineBorn,
        function: NEW_GOROUTINE.0,
        formerly: &[],
    },
    Wanted {
        program: Program::CoroutineBorn,
        function: NEW_COROUTINE.0,
        formerly: &[],
    },
    Wanted {
        program: Program::NetRead,
        function: "net.(*netFD).Read",
        formerly: &[],
    },
    Wanted {
        program: Program::NetWrite,
        function: "net.(*netFD).Write",
        formerly: &[],
    },
    Wanted {
        program: Program::LogWrite,
        function: "os.(*File).Write",
        formerly: &[],
    },
    Wanted {
        program: Program::SchedReady,
        function: "runtime.ready",
        formerly: &[],
    },
    Wanted {
        program: Program::SchedExecute,
        function: "runtime.execute",
        formerly: &[],
    },
];

/// A call behind which a result is of use: (caller, callee, integer results).
pub(super) type AfterCall = (&'static str, &'static str, usize);

/// The call whose result is the new goroutine.
const NEW_GOROUTINE: AfterCall = ("runtime.newproc.func1", "runtime.newproc1", 1);
/// The call whose result is the new coroutine of `iter.Pull`.
const NEW_COROUTINE: AfterCall = ("runtime.newcoro.func1", "runtime.newproc1", 1);

/// Every such call.
pub(super) const AFTER_CALLS: [AfterCall; 2] = [NEW_GOROUTINE, NEW_COROUTINE];

/// The call behind which a program sits; other programs sit at the beginning of their function.
pub(super) fn call_of(program: Program) -> Option<AfterCall> {
    match program {
        Program::GoroutineBorn => Some(NEW_GOROUTINE),
        Program::CoroutineBorn => Some(NEW_COROUTINE),
        _ => None,
    }
}
