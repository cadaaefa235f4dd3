//! Where a binary keeps its goroutines.

use serde::{Deserialize, Serialize};
use symbols::{GoBinary, Layouts, Unresolved};

/// Struct whose layout [`ProfileFacts::from_symbols`] needs; ask for it in the one pass over layouts.
pub const PROFILE_STRUCTS: [&str; 1] = ["runtime.g"];

/// Variables that a profile is read from.
const VARIABLES: [&str; 3] = [
    "runtime.allglen",
    "runtime.allgptr",
    "runtime.waitReasonStrings",
];
/// Fields of a goroutine, in the order of [`GoroutineFields`].
const FIELDS: [&str; 12] = [
    "stack.lo",
    "stack.hi",
    "sched.sp",
    "sched.pc",
    "sched.bp",
    "atomicstatus",
    "goid",
    "waitsince",
    "waitreason",
    "trackingSeq",
    "gopc",
    "startpc",
];
/// Size of a Go string in an array.
const STRING: u64 = 16;
/// The newest release has 47 wait reasons, and one byte names them.
const MAX_REASONS: u64 = 256;

/// Everything a goroutine profile needs to know of one binary; addresses are those of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileFacts {
    /// Address of `runtime.allglen`.
    pub allglen: u64,
    /// Address of `runtime.allgptr`.
    pub allgptr: u64,
    /// Names of what goroutines wait for; unknown ones stay numbers.
    pub wait_reasons: Option<WaitReasons>,
    /// Where a goroutine keeps its fields.
    pub g: GoroutineFields,
    /// What is missing, and why. Taken out before the facts travel between processes.
    #[serde(skip)]
    pub unresolved: Vec<Unresolved>,
}

/// `runtime.waitReasonStrings`: the numbers change with the release, so the names are read from the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitReasons {
    /// Address of the array.
    pub address: u64,
    /// Number of strings in it.
    pub count: u32,
}

/// Offsets in `runtime.g`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoroutineFields {
    /// go-off: runtime.g.stack.lo
    pub stack_low: u32,
    /// go-off: runtime.g.stack.hi
    pub stack_high: u32,
    /// go-off: runtime.g.sched.sp
    pub stack_pointer: u32,
    /// go-off: runtime.g.sched.pc
    pub instruction: u32,
    /// go-off: runtime.g.sched.bp
    pub frame_pointer: u32,
    /// go-off: runtime.g.atomicstatus
    pub status: u32,
    /// go-off: runtime.g.goid
    pub id: u32,
    /// go-off: runtime.g.waitsince
    pub wait_since: u32,
    /// go-off: runtime.g.waitreason
    pub wait_reason: u32,
    /// A byte that counts the times the goroutine stopped running, modulo 256.
    ///
    /// go-off: runtime.g.trackingSeq
    pub turns: u32,
    /// go-off: runtime.g.gopc
    pub creator: u32,
    /// go-off: runtime.g.startpc
    pub start: u32,
}

impl ProfileFacts {
    /// Collects them from a binary and the layouts of [`PROFILE_STRUCTS`].
    ///
    /// # Errors
    /// What is missing, when goroutines cannot be found or read.
    pub fn from_symbols(binary: &GoBinary<'_>, layouts: &Layouts) -> Result<Self, Vec<Unresolved>> {
        let mut unresolved = Vec::new();
        let mut variable = |name: &str| match binary.variable(name) {
            Ok(fact) => Some(fact.value),
            Err(missing) => {
                unresolved.push(missing);
                None
            }
        };
        let [allglen, allgptr, names] = VARIABLES.map(&mut variable);
        let reasons = names.and_then(|names| {
            // A size of 0 is an unknown one.
            let count = u32::try_from((names.size / STRING).min(MAX_REASONS)).ok()?;
            (count > 0).then_some(WaitReasons {
                address: names.address,
                count,
            })
        });
        let fields = GoroutineFields::find(layouts, &mut unresolved);
        match (allglen, allgptr, fields) {
            (Some(allglen), Some(allgptr), Some(g)) => Ok(Self {
                allglen: allglen.address,
                allgptr: allgptr.address,
                wait_reasons: reasons,
                g,
                unresolved,
            }),
            _ => Err(unresolved),
        }
    }

    /// Addresses of all variables that are read, with their last ones where they are long.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = u64> {
        let names = self.wait_reasons.iter().flat_map(|reasons| {
            let bytes = u64::from(reasons.count).saturating_mul(STRING);
            let last = reasons.address.saturating_add(bytes.saturating_sub(1));
            [reasons.address, last]
        });
        [self.allglen, self.allgptr].into_iter().chain(names)
    }

    /// Offsets of all fields that are read.
    pub(crate) fn offsets(&self) -> impl Iterator<Item = u32> {
        self.g.all().into_iter()
    }
}

/// Every field that a profile needs, by struct, for reports.
pub(crate) fn wanted_fields() -> impl Iterator<Item = (&'static str, &'static str)> {
    FIELDS.into_iter().map(|path| (PROFILE_STRUCTS[0], path))
}

/// Every variable that a profile needs, for reports.
pub(crate) fn wanted_variables() -> impl Iterator<Item = &'static str> {
    VARIABLES.into_iter()
}

impl GoroutineFields {
    fn find(layouts: &Layouts, unresolved: &mut Vec<Unresolved>) -> Option<Self> {
        let mut at = |path: &str| match layouts.field(PROFILE_STRUCTS[0], path) {
            Ok(fact) => Some(fact.value),
            Err(missing) => {
                unresolved.push(missing);
                None
            }
        };
        let [
            stack_low,
            stack_high,
            stack_pointer,
            instruction,
            frame_pointer,
            status,
            id,
            wait_since,
            wait_reason,
            turns,
            creator,
            start,
        ] = FIELDS.map(&mut at);
        Some(Self {
            stack_low: stack_low?,
            stack_high: stack_high?,
            stack_pointer: stack_pointer?,
            instruction: instruction?,
            frame_pointer: frame_pointer?,
            status: status?,
            id: id?,
            wait_since: wait_since?,
            wait_reason: wait_reason?,
            turns: turns?,
            creator: creator?,
            start: start?,
        })
    }

    /// Fields that every goroutine is asked for, all of 8 bytes or less.
    pub(super) fn of_all(&self) -> [u32; 7] {
        [
            self.status,
            self.id,
            self.wait_since,
            self.wait_reason,
            self.turns,
            self.creator,
            self.start,
        ]
    }

    /// Fields that matter where a stack is unwound, beside those of all.
    pub(super) fn of_stack(&self) -> [u32; 5] {
        [
            self.stack_low,
            self.stack_high,
            self.stack_pointer,
            self.instruction,
            self.frame_pointer,
        ]
    }

    fn all(&self) -> Vec<u32> {
        self.of_all().into_iter().chain(self.of_stack()).collect()
    }
}
