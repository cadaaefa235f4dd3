//! Which Go functions each program sits on.

use agent_ebpf::counter::Program;

/// Functions a program may sit on.
pub(super) struct Wanted {
    pub(super) program: Program,
    pub(super) functions: Functions,
}

pub(super) enum Functions {
    /// The one of these names that the binary has: a function that was renamed.
    First(&'static [&'static str]),
    /// Every one that the binary has: several ways to the same end.
    Each(&'static [&'static str]),
}

/// go-sym: net/http.serverHandler.ServeHTTP 1.17..=1.27 server.go
/// go-sym: net/http.(*response).finishRequest 1.17..=1.27 server.go
/// go-sym: runtime.startTheWorldWithSema 1.17..=1.27 proc.go
/// go-sym: runtime.newproc1 1.17..=1.27 proc.go
/// go-sym: net.(*netFD).Read 1.17..=1.27 fd_posix.go
/// go-sym: net.(*netFD).Write 1.17..=1.27 fd_posix.go
/// go-sym: os.(*File).Write 1.17..=1.27 file.go
pub(super) const WANTED: [Wanted; 9] = [
    Wanted {
        program: Program::HttpServerStart,
        functions: Functions::First(&["net/http.serverHandler.ServeHTTP"]),
    },
    Wanted {
        program: Program::HttpServerEnd,
        functions: Functions::First(&["net/http.(*response).finishRequest"]),
    },
    Wanted {
        program: Program::GrpcServerStart,
        functions: Functions::First(&["google.golang.org/grpc.(*Server).handleStream"]),
    },
    Wanted {
        program: Program::GrpcServerEnd,
        // The second pair serves gRPC through net/http's own HTTP/2 server. 1.69 renamed both.
        functions: Functions::Each(&[
            "google.golang.org/grpc/internal/transport.(*http2Server).writeStatus",
            "google.golang.org/grpc/internal/transport.(*http2Server).WriteStatus",
            "google.golang.org/grpc/internal/transport.(*serverHandlerTransport).writeStatus",
            "google.golang.org/grpc/internal/transport.(*serverHandlerTransport).WriteStatus",
        ]),
    },
    Wanted {
        program: Program::GcStop,
        functions: Functions::First(&["runtime.startTheWorldWithSema"]),
    },
    Wanted {
        program: Program::GoroutineNew,
        functions: Functions::First(&["runtime.newproc1"]),
    },
    Wanted {
        program: Program::NetRead,
        functions: Functions::First(&["net.(*netFD).Read"]),
    },
    Wanted {
        program: Program::NetWrite,
        functions: Functions::First(&["net.(*netFD).Write"]),
    },
    Wanted {
        program: Program::LogWrite,
        functions: Functions::First(&["os.(*File).Write"]),
    },
];
