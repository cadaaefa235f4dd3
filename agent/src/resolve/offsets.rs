//! Struct offsets of a binary, in the form the kernel side reads.

use agent_ebpf::offsets::{MAP_CLASSIC, MAP_SWISS, MAP_UNKNOWN, Offsets, UNKNOWN};
use symbols::{GoBinary, GoVersion, Layouts, MapKind, Unresolved};

use crate::probe::Feature;

const STREAM: &str = "google.golang.org/grpc/internal/transport.Stream";
const SERVER_STREAM: &str = "google.golang.org/grpc/internal/transport.ServerStream";

/// Structs whose layout the kernel side needs.
pub(super) const STRUCTS: [&str; 10] = [
    "runtime.g",
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
            ("net/http.Request", "TLS", |offsets| {
                &mut offsets.request_tls
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
const OPTIONAL: [Field; 3] = [
    ("net/http.Request", "Pattern", |offsets| {
        &mut offsets.request_pattern
    }),
    ("runtime.workType", "cycles", |offsets| {
        &mut offsets.work_cycles
    }),
    ("runtime.workType", "pauseNS", |offsets| {
        &mut offsets.work_pause_ns
    }),
];

/// Every struct field the kernel side reads, as (struct, field).
pub(super) fn wanted_fields() -> impl Iterator<Item = (&'static str, &'static str)> {
    let required = Feature::ALL.into_iter().flat_map(required);
    let named = required
        .chain(&OPTIONAL)
        .map(|(structure, field, _)| (*structure, *field));
    named.chain([(STREAM, "method"), (STREAM, "ctx")])
}

/// Fills the offsets that `features` need; a feature with a missing one is returned with the reason.
/// Addresses are those of the file, 0 where unknown.
pub(super) fn fill(
    binary: &GoBinary<'_>,
    layouts: &Layouts,
    features: &[Feature],
) -> (Offsets, Vec<(Feature, Unresolved)>) {
    let mut offsets = Offsets::EMPTY;
    let mut off = Vec::new();
    for &feature in features {
        if let Err(unresolved) = fill_feature(&mut offsets, layouts, feature) {
            off.push((feature, unresolved));
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
    offsets.work_address = binary
        .variable("runtime.work")
        .map_or(0, |fact| fact.value.address);
    offsets.types_address = binary.types_address().unwrap_or(0);
    (offsets, off)
}

fn fill_feature(
    offsets: &mut Offsets,
    layouts: &Layouts,
    feature: Feature,
) -> Result<(), Unresolved> {
    for (structure, field, place) in required(feature) {
        *place(offsets) = layouts.field(structure, field)?.value;
    }
    if feature == Feature::Grpc {
        (offsets.stream_method, offsets.stream_indirect) = stream_field(layouts, "method")?;
        (offsets.stream_ctx, _) = stream_field(layouts, "ctx")?;
    }
    Ok(())
}

/// Where a server finds a field of its stream, and whether behind a pointer (1) or not (0).
///
/// Up to grpc-go 1.68 the server's stream is a `Stream`; then a `ServerStream` that starts with a
/// pointer to one; from about 1.80 one that contains it.
fn stream_field(layouts: &Layouts, field: &str) -> Result<(u32, u32), Unresolved> {
    if !layouts.has(SERVER_STREAM) {
        return Ok((layouts.field(STREAM, field)?.value, 0));
    }
    if let Ok(inside) = layouts.field(SERVER_STREAM, &format!("Stream.{field}")) {
        return Ok((inside.value, 0));
    }
    let pointer = layouts.field(SERVER_STREAM, "Stream")?.value;
    let behind = layouts.field(STREAM, field)?.value;
    if pointer == 0 {
        Ok((behind, 1))
    } else {
        let reason = symbols::Reason::UnsupportedVersion {
            what: "offsets of a stream behind other fields",
            version: "this grpc-go".to_owned(),
        };
        let what = format!("{SERVER_STREAM}.Stream");
        Err(Unresolved { what, reason })
    }
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
