//! Struct offsets of a binary, in the form the kernel side reads.

use agent_ebpf::offsets::{MAP_CLASSIC, MAP_SWISS, MAP_UNKNOWN, Offsets};
use symbols::{GoBinary, GoVersion, LayoutSource, Layouts, MapKind, Reason, Unresolved};

use super::gc_offsets;
use crate::probe::Feature;

const STREAM: &str = "google.golang.org/grpc/internal/transport.Stream";
const SERVER_STREAM: &str = "google.golang.org/grpc/internal/transport.ServerStream";
const GRPC_MODULE: &str = "google.golang.org/grpc";
/// Minor version of grpc-go 1 that brought [`SERVER_STREAM`].
const WITH_SERVER_STREAM: u32 = 69;

/// Structs whose layout the kernel side needs.
pub(super) const STRUCTS: [&str; 9] = [
    "runtime.g",
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
    const GOPC: Field = ("runtime.g", "gopc", |offsets| &mut offsets.g_gopc);
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
        Feature::Goroutine => &[
            GOID,
            GOPC,
            ("runtime.g", "stack.lo", |offsets| &mut offsets.g_stack_low),
            ("runtime.g", "stack.hi", |offsets| &mut offsets.g_stack_high),
        ],
        Feature::Sched => &[GOID, GOPC],
        Feature::Gc | Feature::Net => &[],
    }
}

/// Fields that add to a feature where they exist.
fn optional(feature: Feature) -> &'static [Field] {
    match feature {
        Feature::Http => &[("net/http.Request", "Pattern", |offsets| {
            &mut offsets.request_pattern
        })],
        Feature::Grpc
        | Feature::Log
        | Feature::Gc
        | Feature::Goroutine
        | Feature::Net
        | Feature::Sched => &[],
    }
}

/// Every struct field the kernel side reads, as (struct, field).
pub(super) fn wanted_fields() -> impl Iterator<Item = (&'static str, &'static str)> {
    let fields = Feature::ALL
        .into_iter()
        .flat_map(|feature| required(feature).iter().chain(optional(feature)));
    let named = fields.map(|(structure, field, _)| (*structure, *field));
    named
        .chain([(STREAM, "method"), (STREAM, "ctx")])
        .chain(gc_offsets::wanted_fields())
}

/// The offsets of a binary, and what could not be filled in.
#[derive(Debug)]
pub(super) struct Filled {
    /// Addresses are those of the file, 0 where unknown.
    pub(super) offsets: Offsets,
    /// Features with a missing offset, with the reason; these stay off.
    pub(super) off: Vec<(Feature, Unresolved)>,
    /// What the other features do without.
    pub(super) notes: Vec<(Feature, Unresolved)>,
}

/// Fills the offsets that `features` need.
pub(super) fn fill(binary: &GoBinary<'_>, layouts: &Layouts, features: &[Feature]) -> Filled {
    let mut filled = Filled {
        offsets: Offsets {
            stw_arguments: 0,
            ..Offsets::EMPTY
        },
        off: Vec::new(),
        notes: Vec::new(),
    };
    filled.offsets.map_kind = match binary.map_kind() {
        MapKind::Classic => MAP_CLASSIC,
        MapKind::Swiss => MAP_SWISS,
        MapKind::Unknown => MAP_UNKNOWN,
    };
    for &feature in features {
        match fill_feature(&mut filled.offsets, binary, layouts, feature) {
            Ok(()) => {
                let missing = fill_optional(&mut filled.offsets, binary, layouts, feature);
                let missing = missing.into_iter().map(|one| (feature, one));
                filled.notes.extend(missing);
            }
            Err(unresolved) => filled.off.push((feature, unresolved)),
        }
    }
    // Spans count GC cycles also where stops of the world cannot be probed.
    let missing = gc_offsets::fill(&mut filled.offsets, binary, layouts);
    if features.contains(&Feature::Gc) {
        let missing = missing.into_iter().map(|one| (Feature::Gc, one));
        filled.notes.extend(missing);
    }
    filled
}

/// Fills what adds to a feature, and answers what is missing although this release has it.
fn fill_optional(
    offsets: &mut Offsets,
    binary: &GoBinary<'_>,
    layouts: &Layouts,
    feature: Feature,
) -> Vec<Unresolved> {
    let mut missing = Vec::new();
    for (structure, field, place) in optional(feature) {
        match layouts.field(structure, field) {
            Ok(fact) => *place(offsets) = fact.value,
            Err(unknown) => missing.push(unknown),
        }
    }
    if feature == Feature::Grpc {
        match binary.types_address() {
            Ok(address) => offsets.types_address = address,
            Err(unknown) => missing.push(unknown),
        }
    }
    missing.retain(|one| !matches!(one.reason, Reason::NoField { .. }));
    missing
}

fn fill_feature(
    offsets: &mut Offsets,
    binary: &GoBinary<'_>,
    layouts: &Layouts,
    feature: Feature,
) -> Result<(), Unresolved> {
    for (structure, field, place) in required(feature) {
        *place(offsets) = layouts.field(structure, field)?.value;
    }
    if feature == Feature::Gc {
        offsets.stw_arguments = stop_arguments(binary.go_version())?;
    }
    if feature == Feature::Goroutine {
        creator_is_an_argument(binary.go_version())?;
    }
    if feature == Feature::Grpc {
        (offsets.stream_method, offsets.stream_indirect) = stream_field(binary, layouts, "method")?;
        (offsets.stream_ctx, _) = stream_field(binary, layouts, "ctx")?;
    }
    Ok(())
}

/// Whether `newproc1` gets the address of the `go` statement where it is looked for, as its third argument;
/// in 1.17 it was the fifth.
fn creator_is_an_argument(version: &GoVersion) -> Result<(), Unresolved> {
    match (version.major, version.minor) {
        (1, 18..=27) => Ok(()),
        _ => Err(Unresolved {
            what: "runtime.newproc1".to_owned(),
            reason: Reason::UnsupportedVersion {
                what: "arguments",
                version: version.to_string(),
            },
        }),
    }
}

/// Where a server finds a field of its stream, and whether behind a pointer (1) or not (0).
///
/// Up to grpc-go 1.68 the server's stream is a `Stream`; then a `ServerStream` that starts with a
/// pointer to one; from about 1.80 one that contains it.
fn stream_field(
    binary: &GoBinary<'_>,
    layouts: &Layouts,
    field: &str,
) -> Result<(u32, u32), Unresolved> {
    if let Err(absent) = layouts.size(SERVER_STREAM) {
        let source = layouts.source();
        return match has_no_server_stream(grpc_minor(binary), source, &absent.reason) {
            true => Ok((layouts.field(STREAM, field)?.value, 0)),
            false => Err(absent),
        };
    }
    if let Ok(inside) = layouts.field(SERVER_STREAM, &format!("Stream.{field}")) {
        return Ok((inside.value, 0));
    }
    let pointer = layouts.field(SERVER_STREAM, "Stream")?.value;
    let behind = layouts.field(STREAM, field)?.value;
    if pointer == 0 {
        Ok((behind, 1))
    } else {
        let reason = Reason::UnsupportedVersion {
            what: "offsets of a stream behind other fields",
            version: "this grpc-go".to_owned(),
        };
        let what = format!("{SERVER_STREAM}.Stream");
        Err(Unresolved { what, reason })
    }
}

/// Whether a layout is missing because this grpc-go has no such struct. The module's version tells; where
/// there is none, debugging information that was read and does not name it.
fn has_no_server_stream(minor: Option<u32>, source: LayoutSource, why: &Reason) -> bool {
    match minor {
        Some(minor) => minor < WITH_SERVER_STREAM,
        None => {
            matches!(source, LayoutSource::Dwarf4 | LayoutSource::Dwarf5)
                && *why == Reason::NotFound
        }
    }
}

/// Minor version of the grpc-go 1 that was built in; none for a fork or a working copy.
fn grpc_minor(binary: &GoBinary<'_>) -> Option<u32> {
    let module = binary.build_info().module(GRPC_MODULE)?;
    let built = module.replace.as_deref().unwrap_or(module);
    minor_of(&built.version).filter(|_| built.path == GRPC_MODULE)
}

/// 68 in `v1.68.2`.
fn minor_of(version: &str) -> Option<u32> {
    version.strip_prefix("v1.")?.split_once('.')?.0.parse().ok()
}

/// What `startTheWorldWithSema` gets: nothing useful before 1.22, the stop's start and reason in 1.22,
/// its end as well from 1.23.
fn stop_arguments(version: &GoVersion) -> Result<u32, Unresolved> {
    match (version.major, version.minor) {
        (1, ..=21) => Ok(0),
        (1, 22) => Ok(1),
        (1, 23..=27) => Ok(2),
        _ => Err(Unresolved {
            what: "runtime.startTheWorldWithSema".to_owned(),
            reason: Reason::UnsupportedVersion {
                what: "arguments",
                version: version.to_string(),
            },
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_look_up_is_no_old_grpc() {
        let dwarf = LayoutSource::Dwarf5;
        let torn = Reason::NoLayouts;
        assert!(has_no_server_stream(None, dwarf, &Reason::NotFound));
        assert!(!has_no_server_stream(None, dwarf, &torn));
        let descriptors = LayoutSource::TypeDescriptors;
        assert!(!has_no_server_stream(None, descriptors, &Reason::NotFound));
        assert!(has_no_server_stream(
            Some(68),
            descriptors,
            &Reason::NoDescriptor
        ));
        assert!(!has_no_server_stream(Some(69), dwarf, &Reason::NotFound));
    }

    #[test]
    fn versions_of_grpc_are_read() {
        assert_eq!(minor_of("v1.68.2"), Some(68));
        assert_eq!(minor_of("v1.69.0-dev.0.20241101"), Some(69));
        for other in ["(devel)", "v2.1.0", "v1.x.0", "1.68.2", ""] {
            assert_eq!(minor_of(other), None, "{other}");
        }
    }

    #[test]
    fn arguments_of_a_release_nobody_has_seen_are_unknown() {
        let of = |minor| {
            stop_arguments(&GoVersion {
                major: 1,
                minor,
                patch: 0,
                text: format!("go1.{minor}"),
            })
        };
        let known: Vec<u32> = (17..=27).filter_map(|minor| of(minor).ok()).collect();
        assert_eq!(known, [0, 0, 0, 0, 0, 1, 2, 2, 2, 2, 2]);
        let unknown = of(28).expect_err("not out yet");
        assert_eq!(
            unknown.to_string(),
            "runtime.startTheWorldWithSema: arguments of go1.28 are unknown"
        );
    }
}
