//! Prints what golens would know of a Go binary: `dump BINARY...`.

use std::io::{Write as _, stdout};
use std::time::Instant;

use symbols::{Error, GoBinary};

const FUNCTIONS: &[&str] = &[
    "net/http.serverHandler.ServeHTTP",
    "net/http.(*response).finishRequest",
    "net/http.(*conn).serve",
    "net/http.(*Transport).roundTrip",
    "runtime.startTheWorldWithSema",
    "runtime.stopTheWorldWithSema",
    "runtime.newproc1",
    "runtime.newproc",
    "runtime.gopark",
    "runtime.gcStart",
    "runtime.goexit0",
    "runtime.gcBgMarkWorker",
    "runtime.memequal",
    "os.(*File).Write",
    "os.(*File).Read",
    "net.(*conn).Read",
    "net.(*conn).Write",
    "internal/poll.(*FD).Read",
    "internal/poll.(*FD).Write",
    "google.golang.org/grpc.(*Server).handleStream",
];

const FIELDS: &[(&str, &[&str])] = &[
    (
        "runtime.g",
        &[
            "goid",
            "m",
            "sched.pc",
            "waitreason",
            "parentGoid",
            "startpc",
            "gopc",
            "atomicstatus",
        ],
    ),
    ("runtime.m", &["curg", "g0", "p", "gsignal", "id"]),
    (
        "runtime.p",
        &["gFree.n", "gFree.size", "runqhead", "runqtail", "runnext"],
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
            "URL",
            "ContentLength",
        ],
    ),
    ("net/http.response", &["req", "status", "written"]),
    ("net/url.URL", &["Path"]),
    ("os.File", &["file"]),
    ("os.file", &["pfd.Sysfd", "pfd"]),
    ("internal/poll.FD", &["Sysfd"]),
    (
        "runtime.mstats",
        &["numgc", "pause_ns", "pause_end", "pause_total_ns"],
    ),
    (
        "runtime.workType",
        &[
            "cycles",
            "pauseNS",
            "tSweepTerm",
            "tMark",
            "tMarkTerm",
            "tEnd",
        ],
    ),
    (
        "runtime.schedt",
        &[
            "ngsys",
            "gFree.n",
            "gFree.stack.size",
            "gFree.noStack.size",
            "runq.size",
            "runqsize",
            "npidle",
        ],
    ),
    (
        "runtime.gcControllerState",
        &["heapLive", "heapMarked", "gcPercentHeapGoal"],
    ),
    ("internal/runtime/maps.Map", &["used", "dirPtr", "dirLen"]),
    ("runtime.hmap", &["count", "B", "buckets"]),
    (
        "google.golang.org/grpc/internal/transport.Stream",
        &["id", "method", "ctx"],
    ),
    (
        "google.golang.org/grpc/internal/transport.ServerStream",
        &["Stream", "ctx", "st", "status"],
    ),
    ("google.golang.org/grpc/internal/status.Status", &["s"]),
    (
        "google.golang.org/genproto/googleapis/rpc/status.Status",
        &["Code"],
    ),
];

const VARIABLES: &[&str] = &[
    "runtime.memstats",
    "runtime.work",
    "runtime.sched",
    "runtime.allglen",
    "runtime.allp",
    "runtime.gomaxprocs",
    "runtime.gcController",
    "runtime.mheap_",
    "runtime.gcphase",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for path in std::env::args().skip(1) {
        let data = std::fs::read(&path)?;
        let started = Instant::now();
        let text = match describe(&data) {
            Ok(text) => text,
            Err(error) => format!("{error} ({})\n", error.error_type()),
        };
        let took = started.elapsed();
        writeln!(stdout(), "{path}: {} bytes, {took:?}\n{text}", data.len())?;
    }
    Ok(())
}

fn describe(data: &[u8]) -> Result<String, Error> {
    let binary = GoBinary::parse(data)?;
    let structs: Vec<&str> = FIELDS.iter().map(|&(name, _)| name).collect();
    let layouts = binary.layouts(&structs);
    let sources = binary.sources();
    let mut lines = vec![format!(
        "{} {:?} pie={} build id {:?} functions: {} layouts: {} maps: {:?} main: {:?}",
        binary.go_version(),
        binary.machine(),
        binary.is_pie(),
        binary.build_id(),
        sources.functions,
        sources.layouts,
        binary.map_kind(),
        binary
            .build_info()
            .main
            .as_ref()
            .map(|module| module.path.as_str()),
    )];
    for &name in FUNCTIONS {
        lines.push(match binary.function(name) {
            Err(unresolved) => format!("  fn {unresolved}"),
            Ok(found) => match binary.probe_site(&found) {
                Err(reason) => format!(
                    "  fn {name} {:#x}+{} site: {}",
                    found.address, found.size, reason.reason
                ),
                Ok(site) => format!(
                    "  fn {name} {:#x}+{} site {:#x} file {:#x} {:?} {:?}",
                    found.address,
                    found.size,
                    site.address,
                    site.file_offset,
                    site.kind,
                    site.instruction
                ),
            },
        });
    }
    for &(name, fields) in FIELDS {
        match layouts.size(name) {
            Err(unresolved) => lines.push(format!("  struct {unresolved}")),
            Ok(size) => {
                let known = fields
                    .iter()
                    .map(|&field| match layouts.field(name, field) {
                        Ok(fact) => format!("{field}={}", fact.value),
                        Err(_) => format!("{field}=-"),
                    });
                let known = known.collect::<Vec<_>>().join(" ");
                lines.push(format!(
                    "  struct {name} size={} ({}) {known}",
                    size.value, size.provenance
                ));
            }
        }
    }
    for &name in VARIABLES {
        lines.push(match binary.variable(name) {
            Err(unresolved) => format!("  var {unresolved}"),
            Ok(fact) => format!("  var {name} {:#x}+{}", fact.value.address, fact.value.size),
        });
    }
    lines.push(String::new());
    Ok(lines.join("\n"))
}
