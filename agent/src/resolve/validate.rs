//! May an answer about a binary be used? The child that gave it had read hostile bytes.
//!
//! An answer that passes can still be wrong about its own file. It cannot make the agent attach outside
//! the file's code, search in what is not sorted, or keep more than a bounded amount.

use std::collections::BTreeSet;

use agent_ebpf::offsets::{MAP_SWISS, Offsets, UNKNOWN};

use super::{BinaryInfo, Segment, Site, sites::WANTED, writers::MAX_RANGES};
use crate::{
    probe::Feature,
    runtime::{RuntimeFacts, profile::ProfileFacts},
};

/// No struct that is read is larger, in bytes.
const MAX_OFFSET: u64 = 1 << 20;
/// The runtime's struct of a goroutine has less than 600 bytes, and a profile copies it thousands of times.
const MAX_GOROUTINE: u32 = 4096;
/// Segments of one file; real ones have about six.
const MAX_SEGMENTS: usize = 64;
/// Facts that are missing.
const MAX_UNRESOLVED: usize = 1_000;

/// Checks what a child says of a file of `file_size` bytes.
///
/// # Errors
/// What cannot be true.
pub(super) fn check(info: &BinaryInfo, file_size: u64) -> Result<(), String> {
    segments(&info.segments, file_size)?;
    features(info)?;
    for site in &info.sites {
        check_site(site, &info.segments)?;
    }
    offsets(&info.offsets, info)?;
    ranges(info)?;
    if let Some(facts) = &info.runtime {
        runtime(facts, info)?;
    }
    if let Some(facts) = &info.profile {
        profile(facts, info)?;
    }
    require(info.unresolved.len() <= MAX_UNRESOLVED, || {
        format!("{} facts are missing", info.unresolved.len())
    })
}

fn require(holds: bool, problem: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(problem()) }
}

fn segments(segments: &[Segment], file_size: u64) -> Result<(), String> {
    let count = segments.len();
    require((1..=MAX_SEGMENTS).contains(&count), || {
        format!("{count} segments")
    })?;
    for segment in segments {
        let in_file = segment.file_offset.checked_add(segment.file_size);
        let in_memory = segment.address.checked_add(segment.memory_size);
        require(
            in_file.is_some_and(|end| end <= file_size)
                && in_memory.is_some()
                && segment.file_size <= segment.memory_size,
            || format!("segment at {:#x} is not in the file", segment.address),
        )?;
    }
    Ok(())
}

/// Each feature once, with all of its programs; each program once, with a feature that wants it.
fn features(info: &BinaryInfo) -> Result<(), String> {
    let features: BTreeSet<Feature> = info.features.iter().copied().collect();
    require(features.len() == info.features.len(), || {
        "a feature is there twice".to_owned()
    })?;
    let programs: BTreeSet<_> = info.sites.iter().map(|site| site.program).collect();
    require(programs.len() == info.sites.len(), || {
        "a program has two sites".to_owned()
    })?;
    for feature in &features {
        let whole = feature
            .programs()
            .iter()
            .all(|program| programs.contains(program));
        require(whole, || format!("feature {} has no site", feature.name()))?;
    }
    for program in programs {
        require(features.contains(&Feature::of(program)), || {
            format!("program {} belongs to no feature", program.name())
        })?;
    }
    Ok(())
}

fn check_site(site: &Site, segments: &[Segment]) -> Result<(), String> {
    let name = site.function.as_str();
    let known = WANTED.iter().any(|wanted| {
        wanted.program == site.program
            && (wanted.function == name || wanted.formerly.contains(&name))
    });
    require(known, || {
        format!("{name} is no function for {}", site.program.name())
    })?;
    let at = |segment: &&Segment| {
        let inside = site.address.checked_sub(segment.address);
        segment.executable
            && inside.is_some_and(|inside| {
                inside < segment.file_size
                    && segment.file_offset.checked_add(inside) == Some(site.file_offset)
            })
    };
    require(segments.iter().any(|segment| at(&segment)), || {
        format!("site {:#x} is not in the file's code", site.address)
    })
}

fn offsets(offsets: &Offsets, info: &BinaryInfo) -> Result<(), String> {
    let numbers = serde_json::to_value(offsets).map_err(|error| error.to_string())?;
    for (name, value) in numbers.as_object().into_iter().flatten() {
        let value = value.as_u64().unwrap_or(u64::MAX);
        let possible = match Offsets::ADDRESSES.contains(&name.as_str()) {
            true => value == 0 || in_memory(info, value),
            false => value == u64::from(UNKNOWN) || value < MAX_OFFSET,
        };
        require(possible, || format!("offset {name} is {value:#x}"))?;
    }
    let branches = info.sites.iter().filter(|site| site.is_branch);
    let jbe = branches.fold(0, |bits, site| bits | 1 << (site.program as u32));
    require(
        offsets.map_kind <= MAP_SWISS
            && offsets.stw_arguments <= 2
            && offsets.stream_indirect <= 1
            && offsets.generation == 0
            && offsets.jbe_programs == jbe,
        || "offsets that do not fit the sites".to_owned(),
    )
}

fn ranges(info: &BinaryInfo) -> Result<(), String> {
    require(info.writers.ranges().count() <= MAX_RANGES, || {
        "too many ranges of code".to_owned()
    })?;
    require(info.writers.are_sorted(), || {
        "ranges of code are not sorted".to_owned()
    })?;
    for (start, end) in info.writers.ranges() {
        require(start <= end && in_code(info, start, end), || {
            format!("{start:#x} to {end:#x} is no code")
        })?;
    }
    Ok(())
}

fn runtime(facts: &RuntimeFacts, info: &BinaryInfo) -> Result<(), String> {
    require(facts.first_segment == info.base_address(), || {
        "the runtime begins elsewhere".to_owned()
    })?;
    for address in facts.addresses() {
        require(in_memory(info, address), || {
            format!("variable at {address:#x} is not in memory")
        })?;
    }
    for offset in facts.offsets() {
        require(u64::from(offset) < MAX_OFFSET, || {
            format!("field at {offset}")
        })?;
    }
    require(facts.is_compact(), || {
        "fields of the runtime lie too far apart".to_owned()
    })
}

fn profile(facts: &ProfileFacts, info: &BinaryInfo) -> Result<(), String> {
    for address in facts.addresses() {
        require(in_memory(info, address), || {
            format!("variable at {address:#x} is not in memory")
        })?;
    }
    for offset in facts.offsets() {
        require(offset < MAX_GOROUTINE, || {
            format!("field of a goroutine at {offset}")
        })?;
    }
    let reasons = facts.wait_reasons.map_or(0, |reasons| reasons.count);
    require(reasons <= 256, || format!("{reasons} reasons to wait"))
}

/// Whether one executable segment holds all from `start` up to `end`.
fn in_code(info: &BinaryInfo, start: u64, end: u64) -> bool {
    let holds = |part: &Segment| {
        part.executable
            && part.address <= start
            && end <= part.address.saturating_add(part.memory_size)
    };
    info.segments.iter().any(holds)
}

/// Whether an address lies in what is loaded.
fn in_memory(info: &BinaryInfo, address: u64) -> bool {
    info.segments.iter().any(|segment| {
        address
            .checked_sub(segment.address)
            .is_some_and(|inside| inside < segment.memory_size)
    })
}

#[cfg(test)]
mod tests {
    use agent_ebpf::counter::Program;

    use super::*;
    use std::collections::BTreeMap;

    use crate::{
        resolve::Writers,
        runtime::{Cell, GcFacts, ProcessorFacts},
    };

    const FILE: u64 = 0x3000;

    /// Code at 0x401000 from 0x1000 in the file, data at 0x500000 from 0x2000 and beyond the file.
    fn info() -> BinaryInfo {
        let segment = |address, file_offset, memory_size, executable| Segment {
            address,
            memory_size,
            file_offset,
            file_size: 0x1000,
            executable,
        };
        BinaryInfo {
            go_version: "go1.26.8".to_owned(),
            build_id: String::new(),
            module_version: None,
            symbol_source: "symtab".to_owned(),
            layout_source: "dwarf5".to_owned(),
            features: vec![Feature::Log],
            sites: vec![Site {
                program: Program::LogWrite,
                function: "os.(*File).Write".to_owned(),
                address: 0x401010,
                file_offset: 0x1010,
                instruction: "push %rbp".to_owned(),
                is_branch: false,
            }],
            offsets: Offsets {
                g_goid: 152,
                stw_arguments: 2,
                work_address: 0x504000,
                ..Offsets::EMPTY
            },
            segments: vec![
                segment(0x401000, 0x1000, 0x1000, true),
                segment(0x500000, 0x2000, 0x8000, false),
            ],
            writers: Writers::default(),
            runtime: Some(RuntimeFacts {
                first_segment: 0x401000,
                gc: GcFacts {
                    memstats: 0x500010,
                    last_gc_unix: 8,
                    pause_total_ns: 16,
                    pause_ns: 24,
                    pause_end: 32,
                    numgc: 40,
                },
                minor: 26,
                cells: BTreeMap::from([(Cell::GcPhase, 0x500020)]),
                heap: None,
                processors: Some(ProcessorFacts {
                    table: 0x500030,
                    status: 4,
                    queue_head: 400,
                    queue_tail: 404,
                    next: 2456,
                    free: 2472,
                    created: Some(13_792),
                }),
                threads: None,
                histograms: None,
                unresolved: Vec::new(),
            }),
            profile: None,
            unresolved: Vec::new(),
        }
    }

    #[test]
    fn an_answer_that_can_be_true_passes() {
        assert_eq!(check(&info(), FILE), Ok(()));
    }

    #[test]
    fn an_answer_that_cannot_be_true_is_refused() {
        type Lie = (&'static str, fn(&mut BinaryInfo));
        let lies: [Lie; 20] = [
            ("no segment", |info| info.segments.clear()),
            ("a segment behind the file", |info| {
                info.segments[1].file_offset += 1;
            }),
            ("a segment behind memory", |info| {
                info.segments[1].memory_size = u64::MAX;
            }),
            ("more in the file than in memory", |info| {
                info.segments[0].memory_size = 1;
            }),
            ("a site in data", |info| info.segments[0].executable = false),
            ("a site before the code", |info| {
                info.sites[0].address = 0x400fff;
                info.sites[0].file_offset = 0xfff;
            }),
            ("a site behind the code", |info| {
                info.sites[0].address = 0x402000;
                info.sites[0].file_offset = 0x2000;
            }),
            ("two places for one site", |info| {
                info.sites[0].file_offset += 1;
            }),
            ("a function nobody asked for", |info| {
                info.sites[0].function = "main.main".to_owned();
            }),
            ("two sites of one program", |info| {
                info.sites.push(info.sites[0].clone());
            }),
            ("a feature twice", |info| info.features.push(Feature::Log)),
            ("a feature without a site", |info| {
                info.features.push(Feature::Http);
            }),
            ("a site without its feature", |info| info.features.clear()),
            ("a huge struct", |info| info.offsets.request_host = 1 << 20),
            ("a variable nowhere", |info| {
                info.offsets.work_address = 0x508000;
            }),
            ("flags of another program", |info| {
                info.offsets.jbe_programs = 1;
            }),
            ("a generation", |info| info.offsets.generation = 7),
            ("memstats nowhere", |info| {
                info.runtime.as_mut().expect("there").gc.memstats = 0;
            }),
            ("a field far away", |info| {
                info.runtime.as_mut().expect("there").gc.pause_ns = u32::MAX;
            }),
            ("another beginning", |info| {
                info.runtime.as_mut().expect("there").first_segment = 0;
            }),
        ];
        for (what, lie) in lies {
            let mut answer = info();
            lie(&mut answer);
            assert!(check(&answer, FILE).is_err(), "{what}");
        }
    }

    #[test]
    fn ranges_of_code_are_sorted_and_loaded() {
        let writers = |ranges: &str| {
            let text = format!(
                r#"{{"buffers":{ranges},"own_buffers":[],"formatters":[],"adapters":[],"relays":[]}}"#
            );
            BinaryInfo {
                writers: serde_json::from_str(&text).expect("of that form"),
                ..info()
            }
        };
        assert_eq!(
            check(&writers("[[4198400,4198410],[4198410,4198420]]"), FILE),
            Ok(())
        );
        for wrong in [
            "[[4198410,4198420],[4198400,4198410]]",
            "[[4198400,4198411],[4198410,4198420]]",
            "[[4198410,4198400]]",
            "[[1,2]]",
            // Behind the code; in data.
            "[[4198400,4202497]]",
            "[[5242880,5242890]]",
        ] {
            assert!(check(&writers(wrong), FILE).is_err(), "{wrong}");
        }
    }
}
