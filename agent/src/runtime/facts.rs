//! Where a binary keeps the runtime variables that are read.

use serde::{Deserialize, Serialize};
use symbols::{GoBinary, Layouts, Unresolved};

/// Structs whose layout [`RuntimeFacts::from_symbols`] needs; ask for them in the one pass over layouts.
pub const RUNTIME_STRUCTS: [&str; 4] = [
    "runtime.mstats",
    "runtime.gcControllerState",
    "runtime.schedt",
    "runtime.p",
];

/// Struct fields the reader follows; of names with `|` between them, a release has one.
pub const RUNTIME_FIELDS: [(&str, &[&str]); 4] = [
    ("runtime.p", &["gFree.n|gFree.size"]),
    (
        "runtime.schedt",
        &[
            "ngsys",
            "gFree.n|gFree.stack.size",
            "gFree.n|gFree.noStack.size",
        ],
    ),
    (
        "runtime.mstats",
        &[
            "numgc",
            "pause_total_ns",
            "pause_ns",
            "pause_end",
            "last_gc_unix",
        ],
    ),
    (
        "runtime.gcControllerState",
        &["heapMarked", "gcPercentHeapGoal", "memoryLimit"],
    ),
];

/// Variables the reader copies.
pub const RUNTIME_VARIABLES: [&str; 6] = [
    "runtime.memstats",
    "runtime.gcController",
    "runtime.gomaxprocs",
    "runtime.allglen",
    "runtime.allp",
    "runtime.sched",
];

/// Everything the reader needs to know of one binary; addresses are those of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeFacts {
    /// Lowest address of a loaded segment, against which the load base is found.
    pub first_segment: u64,
    /// GC cycles and pauses. Without these nothing is read.
    pub gc: GcFacts,
    /// Heap and goal.
    pub pacer: Option<PacerFacts>,
    /// Goroutine count.
    pub goroutines: Option<GoroutineFacts>,
    /// Address of `runtime.gomaxprocs`.
    pub gomaxprocs: Option<u64>,
    /// What is missing, and why. Taken out before the facts travel between processes.
    #[serde(skip)]
    pub unresolved: Vec<Unresolved>,
}

/// `runtime.memstats`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GcFacts {
    /// Address of the variable.
    pub memstats: u64,
    /// go-off: runtime.mstats.last_gc_unix
    pub last_gc_unix: u32,
    /// go-off: runtime.mstats.pause_total_ns
    pub pause_total_ns: u32,
    /// go-off: runtime.mstats.pause_ns
    pub pause_ns: u32,
    /// go-off: runtime.mstats.pause_end
    pub pause_end: u32,
    /// go-off: runtime.mstats.numgc
    pub numgc: u32,
}

/// `runtime.gcController`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PacerFacts {
    /// Address of the variable.
    pub controller: u64,
    /// The release computes a goal from a memory limit as golens does: 1.21 to 1.27.
    pub limit_is_known: bool,
    /// go-off: runtime.gcControllerState.memoryLimit
    pub memory_limit: u32,
    /// go-off: runtime.gcControllerState.gcPercentHeapGoal
    pub percent_goal: u32,
    /// go-off: runtime.gcControllerState.sweepDistMinTrigger
    pub sweep_trigger: u32,
    /// go-off: runtime.gcControllerState.triggered
    pub triggered: u32,
    /// go-off: runtime.gcControllerState.heapMarked
    pub heap_marked: u32,
    /// go-off: runtime.gcControllerState.heapFree
    pub heap_free: u32,
    /// go-off: runtime.gcControllerState.totalAlloc
    pub total_alloc: u32,
    /// go-off: runtime.gcControllerState.totalFree
    pub total_free: u32,
    /// go-off: runtime.gcControllerState.mappedReady
    pub mapped_ready: u32,
}

/// The parts of `runtime.gcount`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoroutineFacts {
    /// Address of `runtime.allglen`.
    pub allglen: u64,
    /// Address of `runtime.allp`.
    pub allp: u64,
    /// Address of `runtime.sched`.
    pub sched: u64,
    /// go-off: runtime.schedt.ngsys
    pub ngsys: u32,
    /// Free goroutines in the global lists: one list up to 1.24, two later.
    pub global_free: Vec<u32>,
    /// Free goroutines of one processor.
    pub processor_free: u32,
}

impl RuntimeFacts {
    /// Collects them from a binary and the layouts of [`RUNTIME_STRUCTS`].
    ///
    /// # Errors
    /// What is missing, when not even GC cycles can be read.
    pub fn from_symbols(binary: &GoBinary<'_>, layouts: &Layouts) -> Result<Self, Vec<Unresolved>> {
        let mut lookup = Lookup {
            binary,
            layouts,
            unresolved: Vec::new(),
        };
        let gc = lookup.gc();
        let pacer = lookup.pacer();
        let goroutines = lookup.goroutines();
        let gomaxprocs = lookup.variable("runtime.gomaxprocs");
        let unresolved = lookup.unresolved;
        let Some(gc) = gc else {
            return Err(unresolved);
        };
        let segments = binary.segments().iter();
        Ok(Self {
            first_segment: segments.map(|segment| segment.vaddr).min().unwrap_or(0),
            gc,
            pacer,
            goroutines,
            gomaxprocs,
            unresolved,
        })
    }
}

impl RuntimeFacts {
    /// Addresses of all variables that are read.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = u64> {
        let goroutines = self
            .goroutines
            .iter()
            .flat_map(|facts| [facts.allglen, facts.allp, facts.sched]);
        std::iter::once(self.gc.memstats)
            .chain(self.pacer.iter().map(|facts| facts.controller))
            .chain(self.gomaxprocs)
            .chain(goroutines)
    }

    /// Offsets of all fields that are read.
    pub(crate) fn offsets(&self) -> impl Iterator<Item = u32> {
        let gc = &self.gc;
        let pacer = self.pacer.iter().flat_map(|facts| {
            [
                facts.memory_limit,
                facts.percent_goal,
                facts.sweep_trigger,
                facts.triggered,
                facts.heap_marked,
                facts.heap_free,
                facts.total_alloc,
                facts.total_free,
                facts.mapped_ready,
            ]
        });
        let goroutines = self.goroutines.iter().flat_map(|facts| {
            let lists = facts.global_free.iter().copied();
            lists.chain([facts.ngsys, facts.processor_free])
        });
        [
            gc.last_gc_unix,
            gc.pause_total_ns,
            gc.pause_ns,
            gc.pause_end,
            gc.numgc,
        ]
        .into_iter()
        .chain(pacer)
        .chain(goroutines)
    }
}

/// Looks facts up and keeps what was not found.
struct Lookup<'a, 'd> {
    binary: &'a GoBinary<'d>,
    layouts: &'a Layouts,
    unresolved: Vec<Unresolved>,
}

impl Lookup<'_, '_> {
    fn variable(&mut self, name: &str) -> Option<u64> {
        let found = self.binary.variable(name);
        self.keep(found).map(|fact| fact.value.address)
    }

    fn field(&mut self, structure: &str, path: &str) -> Option<u32> {
        let found = self.layouts.field(structure, path);
        self.keep(found).map(|fact| fact.value)
    }

    fn keep<T>(&mut self, found: Result<T, Unresolved>) -> Option<T> {
        found.map_err(|missing| self.unresolved.push(missing)).ok()
    }

    fn gc(&mut self) -> Option<GcFacts> {
        let mut at = |path| self.field("runtime.mstats", path);
        let (last_gc_unix, pause_total_ns) = (at("last_gc_unix"), at("pause_total_ns"));
        let (pause_ns, pause_end, numgc) = (at("pause_ns"), at("pause_end"), at("numgc"));
        Some(GcFacts {
            memstats: self.variable("runtime.memstats")?,
            last_gc_unix: last_gc_unix?,
            pause_total_ns: pause_total_ns?,
            pause_ns: pause_ns?,
            pause_end: pause_end?,
            numgc: numgc?,
        })
    }

    fn pacer(&mut self) -> Option<PacerFacts> {
        let version = self.binary.go_version();
        let limit_is_known = version.major == 1 && (21..=27).contains(&version.minor);
        let controller = self.variable("runtime.gcController");
        let mut at = |path| self.field("runtime.gcControllerState", path);
        Some(PacerFacts {
            limit_is_known,
            memory_limit: at("memoryLimit")?,
            percent_goal: at("gcPercentHeapGoal")?,
            sweep_trigger: at("sweepDistMinTrigger")?,
            triggered: at("triggered")?,
            heap_marked: at("heapMarked")?,
            heap_free: at("heapFree")?,
            total_alloc: at("totalAlloc")?,
            total_free: at("totalFree")?,
            mapped_ready: at("mappedReady")?,
            controller: controller?,
        })
    }

    fn goroutines(&mut self) -> Option<GoroutineFacts> {
        let (allglen, allp) = (
            self.variable("runtime.allglen"),
            self.variable("runtime.allp"),
        );
        let sched = self.variable("runtime.sched");
        let ngsys = self.field("runtime.schedt", "ngsys");
        // go-off: runtime.schedt.gFree.n ..=1.24
        let global_free = match self.layouts.field("runtime.schedt", "gFree.n") {
            Ok(one) => Some(vec![one.value]),
            // go-off: runtime.schedt.gFree.stack.size 1.25..=
            Err(_) => self
                .field("runtime.schedt", "gFree.stack.size")
                .zip(self.field("runtime.schedt", "gFree.noStack.size"))
                .map(|(with_stack, without)| vec![with_stack, without]),
        };
        let processor_free = match self.layouts.field("runtime.p", "gFree.n") {
            Ok(old) => Some(old.value),
            Err(_) => self.field("runtime.p", "gFree.size"),
        };
        Some(GoroutineFacts {
            allglen: allglen?,
            allp: allp?,
            sched: sched?,
            ngsys: ngsys?,
            global_free: global_free?,
            processor_free: processor_free?,
        })
    }
}
