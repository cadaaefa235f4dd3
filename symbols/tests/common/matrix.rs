//! The builds that every release must pass: one row for each toolchain, one cell for each build.

use super::truth::has_same_code;
use super::{Built, Compared, Truth, build, compare, say};

/// The last patch release of every release the crate reads, the newest first.
pub(crate) const TOOLCHAINS: [&str; 11] = [
    "go1.27.4",
    "go1.26.8",
    "go1.25.14",
    "go1.24.13",
    "go1.23.12",
    "go1.22.12",
    "go1.21.13",
    "go1.20.14",
    "go1.19.13",
    "go1.18.10",
    "go1.17.13",
];

/// A way to build the server.
struct Kind {
    name: &'static str,
    flags: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
}

/// Each is built with and without symbols; C has no cross compiler here.
const KINDS: [Kind; 5] = [
    Kind {
        name: "amd64",
        flags: &[],
        environment: &[],
    },
    Kind {
        name: "amd64 PIE",
        flags: &["-buildmode=pie"],
        environment: &[],
    },
    Kind {
        name: "amd64 cgo",
        flags: &[],
        environment: &[("CGO_ENABLED", "1")],
    },
    Kind {
        name: "arm64",
        flags: &[],
        environment: &[("GOARCH", "arm64")],
    },
    Kind {
        name: "arm64 PIE",
        flags: &["-buildmode=pie"],
        environment: &[("GOARCH", "arm64")],
    },
];

const STRIPPED: &str = "-ldflags=-s -w";
/// Changes nothing, but its text in the build information is as long.
const LIKE_STRIPPED: &str = "-ldflags=-f -f";

/// What came of all builds of one toolchain.
pub(crate) struct Row {
    pub(crate) toolchain: &'static str,
    /// Name of the build and what came of it.
    pub(crate) cells: Vec<(String, Compared)>,
}

impl Row {
    /// Lists the wrong answers, each with the build it is about.
    pub(crate) fn wrong(&self) -> Vec<String> {
        let of = |(build, compared): &(String, Compared)| {
            let place = format!("{} {build}", self.toolchain);
            let wrong = compared.wrong.iter();
            wrong
                .map(|wrong| format!("{place}: {wrong}"))
                .collect::<Vec<_>>()
        };
        self.cells.iter().flat_map(of).collect()
    }
}

/// Builds and compares the cells of one toolchain on the machines named.
pub(crate) fn row(toolchain: &'static str, machines: &[&str]) -> Row {
    let is_wanted = |kind: &&Kind| {
        machines
            .iter()
            .any(|&machine| kind.name.starts_with(machine))
    };
    let mut cells = Vec::new();
    for kind in KINDS.iter().filter(is_wanted) {
        let file = format!("matrix-{toolchain}-{}", kind.name.replace(' ', "-"));
        let (whole, stripped) = twins(toolchain, kind, &file);
        let truth = Truth::of(&whole);
        for (suffix, built) in [("", &whole), (" -s -w", &stripped)] {
            let build = format!("{}{suffix}", kind.name);
            let compared = compare(built, &truth);
            say(format_args!("{toolchain} {build}: {compared}"));
            cells.push((build, compared));
        }
        for built in [whole, stripped] {
            std::fs::remove_file(&built.path).expect("the build wrote it");
        }
    }
    Row { toolchain, cells }
}

/// Builds the server with and without symbols, both with the same code.
///
/// Names of sections lie before the data up to go1.25, and a build without symbols has fewer: where a page
/// ends just there, its data lies a page lower. Shorter source paths move the end of the page.
fn twins(toolchain: &str, kind: &Kind, file: &str) -> (Built, Built) {
    let build = |paths: &'static [&'static str]| {
        let server = |file: &str, more| server(toolchain, kind, file, &[paths, &[more]].concat());
        let stripped = server(&format!("{file}-s-w"), STRIPPED);
        (server(file, LIKE_STRIPPED), stripped)
    };
    let (whole, stripped) = build(&[]);
    if has_same_code(&whole, &stripped) {
        (whole, stripped)
    } else {
        build(&["-trimpath"])
    }
}

fn server(toolchain: &str, kind: &Kind, file: &str, more: &[&'static str]) -> Built {
    let flags: Vec<&str> = kind.flags.iter().chain(more).copied().collect();
    let mut environment = vec![("GOTOOLCHAIN", toolchain)];
    if ["go1.17.", "go1.18.", "go1.19."]
        .iter()
        .any(|old| toolchain.starts_with(old))
    {
        // Newer go commands leave an index in the build cache that these read but do not understand.
        environment.push(("GODEBUG", "goindex=0"));
    }
    environment.extend(kind.environment);
    build("server", file, &flags, &environment)
}
