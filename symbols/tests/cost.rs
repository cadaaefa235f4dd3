//! What a binary costs: counted bytes and steps, memory that does not grow with debugging information, and
//! limits that name what ran out.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot read its own fixture must stop"
)]

mod common;
#[path = "../benches/resolve/file_scratch.rs"]
mod file_scratch;
#[path = "common/memory.rs"]
mod memory;
#[path = "../benches/resolve/repeated.rs"]
mod repeated;

use std::io::Read as _;
use std::sync::OnceLock;
use std::time::Duration;

use common::{Built, build, output};
use file_scratch::FileScratch;
use flate2::read::ZlibDecoder;
use object::{Object as _, ObjectSection as _};
use symbols::{GoBinary, LayoutSource, Limits, MemoryScratch, Reason, Spent};

/// What reading the layouts of a server may hold, however much debugging information it has.
const MOST_MEMORY: usize = 2 << 20;
const WANTED: [&str; 4] = ["runtime.g", "runtime.mstats", "net/http.Request", "os.file"];

fn server() -> &'static Built {
    static SERVER: OnceLock<Built> = OnceLock::new();
    SERVER.get_or_init(|| build("server", "cost-server", &[], &[]))
}

/// Expands a section with another reader than the crate's.
fn expanded(data: &[u8], name: &str) -> Vec<u8> {
    let file = object::File::parse(data).unwrap();
    let compressed = file
        .section_by_name(name)
        .unwrap()
        .compressed_data()
        .unwrap();
    let mut bytes = Vec::new();
    ZlibDecoder::new(compressed.data)
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

/// The offsets of some fields, what they cost, and the memory held meanwhile.
fn layouts(data: &[u8]) -> (Vec<u32>, Spent, usize) {
    let scratch = FileScratch::new(output());
    let work = || {
        let binary = GoBinary::parse_with(data, Limits::default(), &scratch).unwrap();
        let layouts = binary.layouts(&WANTED);
        assert_eq!(layouts.source(), LayoutSource::Dwarf5);
        let fields = [
            ("runtime.g", "goid"),
            ("runtime.mstats", "numgc"),
            ("net/http.Request", "Host"),
            ("os.file", "pfd.Sysfd"),
        ];
        let offset = |(structure, field)| layouts.field(structure, field).unwrap().value;
        (fields.map(offset).to_vec(), binary.spent())
    };
    let ((offsets, spent), peak) = memory::peak(work);
    (offsets, spent, peak)
}

#[test]
fn memory_does_not_grow_with_debugging_information() {
    let data = &server().data;
    let info = expanded(data, ".debug_info");
    let abbreviations = expanded(data, ".debug_abbrev").len() as u64;
    let (offsets, spent, peak) = layouts(data);
    assert_eq!(spent.expanded_bytes, info.len() as u64 + abbreviations);
    assert!(peak < MOST_MEMORY, "{peak} bytes");

    let large = repeated::repeated(data, &info, 20).unwrap().unwrap();
    let (same_offsets, spent, large_peak) = layouts(&large);
    assert_eq!(same_offsets, offsets);
    assert_eq!(spent.expanded_bytes, info.len() as u64 * 20 + abbreviations);
    assert!(
        large_peak < MOST_MEMORY,
        "{large_peak} bytes, {peak} for one copy"
    );
}

#[test]
fn sections_are_expanded_once_for_all_questions() {
    let binary = GoBinary::parse(&server().data).unwrap();
    assert_eq!(binary.spent().expanded_bytes, 0);
    assert!(binary.layouts(&["runtime.g"]).has("runtime.g"));
    let (first, steps) = (binary.spent().expanded_bytes, binary.spent().steps);
    assert!(binary.layouts(&["runtime.m"]).has("runtime.m"));
    assert_eq!(binary.spent().expanded_bytes, first);
    assert!(binary.spent().steps > steps);
}

/// Why the layout of a struct that only debugging information tells of is unknown under these limits.
fn reason(limits: Limits, scratch: MemoryScratch) -> Reason {
    let binary = GoBinary::parse_with(&server().data, limits, &scratch).unwrap();
    binary
        .layouts(&["runtime.spanSet"])
        .size("runtime.spanSet")
        .unwrap_err()
        .reason
}

#[test]
fn each_limit_is_named_by_the_question_that_meets_it() {
    let limits = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        limits
    };
    let named = |limits| match reason(limits, MemoryScratch::default()) {
        Reason::Limit { what, limit } => (what, limit),
        other => panic!("{other}"),
    };
    let bytes = limits(|limits| limits.expanded_bytes = 1000);
    assert_eq!(named(bytes), ("expanded bytes", 1000));
    let steps = limits(|limits| limits.steps = 100_000);
    assert_eq!(named(steps), ("steps of work", 100_000));
    let answer = limits(|limits| limits.answer_bytes = 100);
    assert_eq!(named(answer), ("bytes of answers", 100));
    let late = limits(|limits| limits.time = Duration::ZERO);
    assert_eq!(named(late), ("milliseconds since the file was opened", 0));
    let full = reason(Limits::default(), MemoryScratch { most: 1000 });
    assert_eq!(full.error_type(), "scratch");
}
