//! The fixture server and what is asked of it.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use symbols::GoBinary;

use crate::common::{Built, Symbol, build, nm};

const WANTED: &[&str] = &[
    "net/http.serverHandler.ServeHTTP",
    "net/http.(*response).finishRequest",
    "net/http.(*conn).serve",
    "runtime.startTheWorldWithSema",
    "runtime.stopTheWorldWithSema",
    "runtime.newproc1",
    "runtime.gopark",
    "os.(*File).Write",
    "internal/poll.(*FD).Read",
    "internal/poll.(*FD).Write",
];

/// Lists what golens attaches to; `log/slog` came with go1.21.
pub(crate) fn wanted(binary: &GoBinary<'_>) -> impl Iterator<Item = &'static str> {
    let logger = binary
        .go_version()
        .at_least(21)
        .then_some("log/slog.(*Logger).log");
    WANTED.iter().copied().chain(logger)
}

/// The fixture server in the ways people build it.
pub(crate) struct Servers {
    /// Debugging information left uncompressed, so that the tests can read it by themselves.
    pub(crate) plain: Built,
    pub(crate) default: Built,
    pub(crate) no_dwarf: Built,
    pub(crate) stripped: Built,
    pub(crate) pie: Built,
    pub(crate) pie_stripped: Built,
    pub(crate) symbols: BTreeMap<String, Vec<Symbol>>,
    pub(crate) pie_symbols: BTreeMap<String, Vec<Symbol>>,
}

/// Builds them once for all tests.
pub(crate) fn servers() -> &'static Servers {
    static SERVERS: OnceLock<Servers> = OnceLock::new();
    SERVERS.get_or_init(|| {
        let server = |name: &str, flags: &[&str]| build("server", name, flags, &[]);
        let plain = server("plain", &["-ldflags=-compressdwarf=false"]);
        let pie = server("pie", &["-buildmode=pie"]);
        let default = server("default", &[]);
        Servers {
            no_dwarf: server("no-dwarf", &["-ldflags=-w"]),
            stripped: server("stripped", &["-ldflags=-s -w"]),
            pie_stripped: server("pie-stripped", &["-buildmode=pie", "-ldflags=-s -w"]),
            symbols: nm(&default.path),
            pie_symbols: nm(&pie.path),
            default,
            plain,
            pie,
        }
    })
}

/// Reads a build that must be readable.
pub(crate) fn parse(built: &Built) -> GoBinary<'_> {
    GoBinary::parse(&built.data).unwrap_or_else(|error| panic!("{}: {error}", built.path.display()))
}
