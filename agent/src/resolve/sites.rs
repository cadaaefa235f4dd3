//! Which Go functions each program sits on.

use agent_ebpf::counter::Program;

/// Functions a program may sit on.
pub(super) struct Wanted {
    pub(super) program: Program,
    /// One function under all the names it has had, newest first.
    pub(super) functions: &'static [&'static str],
}

/// go-sym: net/http.serverHandler.ServeHTTP 1.17..=1.27 server.go
/// go-sym: net/http.(*response).finishRequest 1.17..=1.27 server.go
/// go-sym: runtime.startTheWorldWithSema 1.17..=1.27 proc.go
/// go-sym: runtime.newproc1 1.17..=1.27 proc.go
/// go-sym: net.(*netFD).Read 1.17..=1.27 fd_posix.go
/// go-sym: net.(*netFD).Write 1.17..=1.27 fd_posix.go
/// go-sym: os.(*File).Write 1.17..=1.27 file.go
pub(super) const WANTED: [Wanted; 10] = [
    Wanted {
        program: Program::HttpServerStart,
        functions: &["net/http.serverHandler.ServeHTTP"],
    },
    Wanted {
        program: Program::HttpServerEnd,
        functions: &["net/http.(*response).finishRequest"],
    },
    Wanted {
        program: Program::GrpcServerStart,
        functions: &["google.golang.org/grpc.(*Server).handleStream"],
    },
    Wanted {
        program: Program::GrpcServerEnd,
        functions: &[
            "google.golang.org/grpc/internal/transport.(*http2Server).writeStatus",
            "google.golang.org/grpc/internal/transport.(*http2Server).WriteStatus",
        ],
    },
    Wanted {
        program: Program::GrpcHandlerEnd,
        functions: &[
            "google.golang.org/grpc/internal/transport.(*serverHandlerTransport).writeStatus",
            "google.golang.org/grpc/internal/transport.(*serverHandlerTransport).WriteStatus",
        ],
    },
    Wanted {
        program: Program::GcStop,
        functions: &["runtime.startTheWorldWithSema"],
    },
    Wanted {
        program: Program::GoroutineNew,
        functions: &["runtime.newproc1"],
    },
    Wanted {
        program: Program::NetRead,
        functions: &["net.(*netFD).Read"],
    },
    Wanted {
        program: Program::NetWrite,
        functions: &["net.(*netFD).Write"],
    },
    Wanted {
        program: Program::LogWrite,
        functions: &["os.(*File).Write"],
    },
];
