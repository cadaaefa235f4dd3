//! The truth report: everything golens knows of one binary, where it knows it from, and what follows.

mod collect;

use serde::{Deserialize, Serialize};

/// One binary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The file and its build.
    pub file: FileFacts,
    /// Where functions and layouts are looked up first.
    pub sources: SourceNames,
    /// What will be attached.
    pub features: Vec<FeatureFact>,
    /// Functions with a probe site, or whose site is missing.
    pub functions: Vec<FunctionFact>,
    /// Calls behind which results can be read.
    pub after_calls: Vec<AfterCallFact>,
    /// Struct fields that were found.
    pub fields: Vec<FieldFact>,
    /// Variables of the Go runtime that were found.
    pub variables: Vec<VariableFact>,
    /// What was looked for and is not known.
    pub unresolved: Vec<MissingFact>,
}

/// What the file says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileFacts {
    /// In bytes.
    pub size: u64,
    /// `go1.26.8`.
    pub go_version: String,
    /// `amd64` or `arm64`.
    pub machine: String,
    /// How it was linked, when the file and its settings agree on that.
    pub build: Option<BuildFact>,
    /// Whether the kernel chooses where it is loaded.
    pub position_independent: bool,
    /// GNU build id in hex, else Go's; empty when there is none.
    pub build_id: String,
    /// Import path of the main package.
    pub main_path: String,
    /// Module of the main package.
    pub main_module: Option<String>,
    /// Its version, such as `v1.4.2` or `(devel)`.
    pub main_version: Option<String>,
    /// Modules linked in beside it.
    pub modules: usize,
    /// Settings of the build as the toolchain recorded them.
    pub settings: Vec<Setting>,
    /// Whether it still has its symbol table.
    pub symbol_table: bool,
    /// Whether it still has its debugging information.
    pub debug_information: bool,
    /// Why none of it is used though it is there.
    pub debug_information_unread: Option<String>,
}

/// What the linker made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildFact {
    /// `exe`, `pie`, `static-pie`, `c-archive`, `c-shared` or `plugin`.
    pub mode: String,
    /// Neither a loader nor shared libraries take part.
    #[serde(rename = "static")]
    pub is_static: bool,
    /// Go calls C or C calls Go.
    pub cgo: bool,
    /// With the race detector.
    pub race: bool,
    /// Whether other modules with Go code may be loaded beside it.
    pub modules: String,
}

/// One recorded setting of the build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// `-ldflags`, `GOAMD64`, `vcs.revision`.
    pub key: String,
    /// Value.
    pub value: String,
}

/// Where facts are looked up first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceNames {
    /// `symtab` or `pclntab`.
    pub functions: String,
    /// `dwarf4`, `dwarf5`, `type descriptors` or `none`.
    pub layouts: String,
}

/// What becomes of a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attach {
    /// Attached as long as the process lives.
    Yes,
    /// Attached for a short while from time to time.
    InWindows,
    /// Attached when `golens trace` asks for it.
    OnDemand,
    /// The program has no such code.
    NotUsed,
    /// Something is missing.
    No,
}

/// One feature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureFact {
    /// `http`, `grpc`, `log`, `gc`, `goroutine`, `net`, `sched`, or `runtime`, which is read and not attached.
    pub feature: String,
    /// Whether it will be attached.
    pub attach: Attach,
    /// Every reason why not.
    pub why: Vec<MissingFact>,
}

/// A function that is probed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionFact {
    /// Feature it is for.
    pub feature: String,
    /// eBPF program that sits on it.
    pub program: String,
    /// Whether the feature is off without it.
    pub required: bool,
    /// Full name in this binary.
    pub name: String,
    /// Address as linked.
    pub address: u64,
    /// In bytes.
    pub size: u64,
    /// Where it was read: `symtab`, `pclntab`.
    pub provenance: String,
    /// `stated`, `corroborated` or `reference`.
    pub confidence: String,
    /// Where the probe goes.
    pub site: Option<SiteFact>,
    /// Why it has none.
    pub why: Option<String>,
    /// Return instructions in the body.
    pub returns: Option<usize>,
    /// Copies inlined into other functions, which a probe does not see.
    pub inlined_copies: Option<u32>,
}

/// The calls of one function in another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AfterCallFact {
    /// The function that calls.
    pub caller: String,
    /// The one that is called.
    pub callee: String,
    /// Where its results can be read, for each call.
    pub calls: Vec<CallFact>,
    /// Why they cannot.
    pub why: Option<String>,
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallFact {
    /// Address of the call instruction.
    pub address: u64,
    /// The first instruction behind it that the kernel emulates.
    pub site: SiteFact,
    /// Where each integer result is there: `rax`, `+16(sp)`; null when it was overwritten.
    pub results: Vec<Option<String>>,
}

/// The instruction under a probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteFact {
    /// Address as linked.
    pub address: u64,
    /// The same place in the file.
    pub file_offset: u64,
    /// In AT&T syntax.
    pub instruction: String,
    /// Kind of the site, such as `push %rbp` or `jbe`.
    pub kind: String,
}

/// A struct field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldFact {
    /// Full name of the struct.
    pub structure: String,
    /// Field, or path into structs inside it.
    pub field: String,
    /// In bytes from the start of the struct.
    pub offset: u32,
    /// Where it was read: `dwarf5`, `type descriptors`, `table`.
    pub provenance: String,
    /// `stated`, `corroborated` or `reference`.
    pub confidence: String,
}

/// A variable of the Go runtime.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VariableFact {
    /// Full name.
    pub name: String,
    /// Address as linked.
    pub address: u64,
    /// In bytes, 0 when it is not told.
    pub size: u64,
    /// Where it was read: `symtab`, `code signature (3 votes)`.
    pub provenance: String,
    /// `stated`, `corroborated` or `reference`.
    pub confidence: String,
}

/// A fact that is not known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MissingFact {
    /// Function, field or variable.
    pub what: String,
    /// Why.
    pub reason: String,
    /// The same as a word from a fixed set.
    pub error_type: String,
}
