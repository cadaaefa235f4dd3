//! Where the kernel side finds the garbage collector's state.

use agent_ebpf::offsets::Offsets;
use symbols::{GoBinary, Layouts, Reason, Unresolved};

/// Structs whose layout is needed.
pub(super) const STRUCTS: [&str; 4] = [
    "runtime.workType",
    "runtime.gcControllerState",
    "runtime.mstats",
    "runtime.schedt",
];

/// Fields that are read in one go, so that they must lie one behind the other.
struct Row {
    structure: &'static str,
    fields: &'static [&'static str],
    /// Bytes of one field.
    width: u32,
    place: fn(&mut Offsets) -> &mut u32,
}

/// A row of one field.
const fn one(
    structure: &'static str,
    fields: &'static [&'static str; 1],
    place: fn(&mut Offsets) -> &mut u32,
) -> Row {
    Row {
        structure,
        fields,
        width: 0,
        place,
    }
}

const WORK: &str = "runtime.workType";
const CONTROLLER: &str = "runtime.gcControllerState";

const ROWS: [Row; 11] = [
    one(WORK, &["cycles"], |offsets| &mut offsets.work_cycles),
    one(WORK, &["pauseNS"], |offsets| &mut offsets.work_pause_ns),
    one(WORK, &["userForced"], |offsets| {
        &mut offsets.work_user_forced
    }),
    Row {
        structure: WORK,
        fields: &["tSweepTerm", "tMark", "tMarkTerm", "tEnd"],
        width: 8,
        place: |offsets| &mut offsets.work_times,
    },
    Row {
        structure: WORK,
        fields: &["heap0", "heap1", "heap2"],
        width: 8,
        place: |offsets| &mut offsets.work_heaps,
    },
    Row {
        structure: WORK,
        fields: &["stwprocs", "maxprocs"],
        width: 4,
        place: |offsets| &mut offsets.work_procs,
    },
    Row {
        structure: CONTROLLER,
        fields: &[
            "assistTime",
            "dedicatedMarkTime",
            "fractionalMarkTime",
            "idleMarkTime",
        ],
        width: 8,
        place: |offsets| &mut offsets.controller_mark_times,
    },
    one(CONTROLLER, &["lastHeapGoal"], |offsets| {
        &mut offsets.controller_goal
    }),
    one(CONTROLLER, &["lastStackScan"], |offsets| {
        &mut offsets.controller_stack_scan
    }),
    one(CONTROLLER, &["globalsScan"], |offsets| {
        &mut offsets.controller_globals_scan
    }),
    one("runtime.mstats", &["gc_cpu_fraction"], |offsets| {
        &mut offsets.memstats_cpu_fraction
    }),
];

/// Fields behind an address of their own: variable, its struct, field.
type Single = (
    &'static str,
    &'static str,
    &'static str,
    fn(&mut Offsets) -> &mut u64,
);

const SINGLES: [Single; 2] = [
    ("runtime.sched", "runtime.schedt", "gcwaiting", |offsets| {
        &mut offsets.gc_waiting_address
    }),
    ("runtime.memstats", "runtime.mstats", "numgc", |offsets| {
        &mut offsets.gc_count_address
    }),
];

type Place = fn(&mut Offsets) -> &mut u64;

/// Variables whose address is kept.
const VARIABLES: [(&str, Place); 3] = [
    ("runtime.work", |offsets| &mut offsets.work_address),
    ("runtime.gcController", |offsets| {
        &mut offsets.controller_address
    }),
    ("runtime.memstats", |offsets| &mut offsets.memstats_address),
];

/// Every field that is read, as (struct, field).
pub(super) fn wanted_fields() -> impl Iterator<Item = (&'static str, &'static str)> {
    let of_row = |row: &'static Row| row.fields.iter().map(|field| (row.structure, *field));
    let singles = SINGLES
        .iter()
        .map(|(_, structure, field, _)| (*structure, *field));
    ROWS.iter().flat_map(of_row).chain(singles)
}

/// Fills in what the binary tells, and answers what is missing although this release has it.
pub(super) fn fill(
    offsets: &mut Offsets,
    binary: &GoBinary<'_>,
    layouts: &Layouts,
) -> Vec<Unresolved> {
    let mut missing = Vec::new();
    for row in &ROWS {
        match neighbours(layouts, row) {
            Ok(first) => *(row.place)(offsets) = first,
            Err(unknown) => missing.push(unknown),
        }
    }
    for (name, place) in VARIABLES {
        match binary.variable(name) {
            Ok(fact) => *place(offsets) = fact.value.address,
            Err(unknown) => missing.push(unknown),
        }
    }
    for (name, structure, field, place) in SINGLES {
        let known = binary.variable(name).and_then(|variable| {
            let inside = layouts.field(structure, field)?.value;
            Ok(variable.value.address.saturating_add(u64::from(inside)))
        });
        match known {
            Ok(address) => *place(offsets) = address,
            Err(unknown) => missing.push(unknown),
        }
    }
    // Only the time that passed since then is shown: a stripped binary goes without.
    if let Ok(fact) = binary.variable("runtime.runtimeInitTime") {
        offsets.init_time_address = fact.value.address;
    }
    missing.retain(|one| !matches!(one.reason, Reason::NoField { .. }));
    missing
}

/// Offset of the first field of a row whose fields lie one behind the other.
fn neighbours(layouts: &Layouts, row: &Row) -> Result<u32, Unresolved> {
    let offsets = row
        .fields
        .iter()
        .map(|field| Ok(layouts.field(row.structure, field)?.value))
        .collect::<Result<Vec<u32>, Unresolved>>()?;
    let first = offsets.first().copied().unwrap_or_default();
    let expected = (0..).map(|index: u32| first.saturating_add(index.saturating_mul(row.width)));
    if offsets
        .iter()
        .copied()
        .zip(expected)
        .all(|(is, should)| is == should)
    {
        return Ok(first);
    }
    Err(Unresolved {
        what: format!("{}.{}", row.structure, row.fields.join(", ")),
        reason: Reason::UnsupportedVersion {
            what: "places of fields that lie apart",
            version: "this release".to_owned(),
        },
    })
}
