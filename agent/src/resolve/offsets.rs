//! Struct offsets of a binary, in the form the kernel side reads.

use agent_ebpf::offsets::{MAP_CLASSIC, MAP_SWISS, MAP_UNKNOWN, Offsets, UNKNOWN};
use symbols::{GoBinary, GoVersion, Layouts, MapKind, Unresolved};

use crate::probe::Feature;

const STREAM: &str = "google.golang.org/grpc/internal/transport.Stream";
const SERVER_STREAM: &str = "google.golang.org/grpc/internal/transport.ServerStream";

/// Structs whose layout the kernel side needs.
pub(super) const STRUCTS: [&str; 11] = [
    "runtime.g",
    "runtime.m",
    "runtime.workType",
    "net/http.Request",
    "net/http.response",
    "os.File",
    "os.file",
    STREAM,
    SERVER_STREAM,
    "google.golang.org/grpc/internal/status.Status",
    "google.golang.org/genproto/googleapis/rpc/status.Status",
];

type Field = (&'static str, &'static str, fn(&mut Offsets) -> &mut u32);

/// Fields without which a feature stays off.
fn required(feature: Feature) -> &'static [Field] {
    const GOID: Field = ("runtime.g", "goid", |offsets| &mut offsets.g_goid);
    match feature {
        Feature::Http => &[
            GOID,
            ("net/http.Request", "Method", |offsets| {
                &mut offsets.request_method
            }),
            ("net/http.Request", "ProtoMajor", |offsets| {
                &mut offsets.request_proto_major
            }),
            ("net/http.Request", "Header", |offsets| {
                &mut offsets.request_header
            }),
            ("net/http.Request", "Host", |offsets| {
                &mut offsets.request_host
            }),
            ("net/http.Request", "RemoteAddr", |offsets| {
                &mut offsets.request_remote_addr
            }),
            ("net/http.Request", "RequestURI", |offsets| {
                &mut offsets.request_request_uri
            }),
            ("net/http.response", "req", |offsets| {
                &mut offsets.response_req
            }),
            ("net/http.response", "status", |offsets| {
                &mut offsets.response_status
            }),
            ("net/http.response", "written", |offsets| {
                &mut offsets.response_written
            }),
        ],
        Feature::Grpc => &[
            GOID,
            (STREAM, "method", |offsets| &mut offsets.stream_method),
            (
                "google.golang.org/grpc/internal/status.Status",
                "s",
                |offsets| &mut offsets.status_proto,
            ),
            (
                "google.golang.org/genproto/googleapis/rpc/status.Status",
                "Code",
                |offsets| &mut offsets.status_code,
            ),
        ],
        Feature::Log => &[
            GOID,
            ("os.File", "file", |offsets| &mut offsets.file_file),
            ("os.file", "pfd.Sysfd", |offsets| &mut offsets.file_sysfd),
        ],
        Feature::Gc | Feature::Goroutine | Feature::Net => &[],
    }
}

/// Fields that add to a feature where they exist.
const OPTIONAL: [Field; 7] = [
    ("net/http.Request", "Pattern", |offsets| {
        &mut offsets.request_pattern
    }),
    ("runtime.workType", "cycles", |offsets| {
        &mut offsets.work_cycles
    }),
    ("runtime.workType", "pauseNS", |offsets| {
        &mut offsets.work_pause_ns
    }),
    ("runtime.workType", "tSweepTerm", |offsets| {
        &mut offsets.work_t_sweep_term
    }),
    ("runtime.workType", "tMark", |offsets| {
        &mut offsets.work_t_mark
    }),
    ("runtime.workType", "tMarkTerm", |offsets| {
        &mut offsets.work_t_mark_term
    }),
    ("runtime.workType", "tEnd", |offsets| {
        &mut offsets.work_t_end
    }),
];

/// Fills the offsets that `features` need; a feature with a missing one is returned with the reason.
pub(super) fn fill(
    binary: &GoBinary<'_>,
    layouts: &Layouts,
    features: &[Feature],
) -> (Offsets, Vec<(Feature, Unresolved)>) {
    let mut offsets = Offsets::EMPTY;
    let mut off = Vec::new();
    for &feature in features {
        for (structure, field, place) in required(feature) {
            match layouts.field(structure, field) {
                Ok(fact) => *place(&mut offsets) = fact.value,
                Err(unresolved) => {
                    off.push((feature, unresolved));
                    break;
                }
            }
        }
    }
    for (structure, field, place) in OPTIONAL {
        *place(&mut offsets) = layouts
            .field(structure, field)
            .map_or(UNKNOWN, |fact| fact.value);
    }
    offsets.map_kind = match binary.map_kind() {
        MapKind::Classic => MAP_CLASSIC,
        MapKind::Swiss => MAP_SWISS,
        MapKind::Unknown => MAP_UNKNOWN,
    };
    offsets.stw_arguments = stop_arguments(binary.go_version());
    offsets.stream_indirect = u32::from(layouts.has(SERVER_STREAM));
    (offsets, off)
}

/// What `startTheWorldWithSema` gets: nothing useful before 1.22, the stop's start and reason in 1.22,
/// its end as well from 1.23.
fn stop_arguments(version: &GoVersion) -> u32 {
    match (version.major, version.minor) {
        (1, ..=21) => 0,
        (1, 22) => 1,
        _ => 2,
    }
}
