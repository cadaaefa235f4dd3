//! The facts a binary yields, each with its provenance.

use std::fmt;

use crate::image::Machine;

/// Says where a fact was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provenance {
    /// `.symtab`.
    Symtab,
    /// The function table of the Go runtime.
    Pclntab,
    /// Inline trees of the Go runtime.
    InlineTree,
    /// Debugging information, version 4 or older.
    Dwarf4,
    /// Debugging information, version 5.
    Dwarf5,
    /// Type descriptors of the Go runtime.
    TypeDescriptors,
    /// The reference table's row of exactly this Go release, or of exactly this module version.
    Table,
    /// Operands of functions whose code equals that of a reference build.
    CodeSignature {
        /// Operands that name the same place; none names another.
        votes: u32,
    },
}

impl Provenance {
    /// Says how far a fact from here can be trusted.
    pub fn confidence(self) -> Confidence {
        match self {
            Self::Symtab
            | Self::Pclntab
            | Self::InlineTree
            | Self::Dwarf4
            | Self::Dwarf5
            | Self::TypeDescriptors => Confidence::Stated,
            Self::CodeSignature { .. } => Confidence::Corroborated,
            Self::Table => Confidence::Reference,
        }
    }
}

/// How far a fact can be trusted; what could be wrong is different in each case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Confidence {
    /// The binary itself says so.
    Stated,
    /// Several operands in code equal to that of a reference build name the same place.
    Corroborated,
    /// It holds for every build of this exact release or module version.
    Reference,
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stated => "stated",
            Self::Corroborated => "corroborated",
            Self::Reference => "reference",
        })
    }
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Symtab => "symtab",
            Self::Pclntab => "pclntab",
            Self::InlineTree => "inline tree",
            Self::Dwarf4 => "dwarf4",
            Self::Dwarf5 => "dwarf5",
            Self::TypeDescriptors => "type descriptors",
            Self::Table => "table",
            Self::CodeSignature { votes } => return write!(f, "code signature ({votes} votes)"),
        })
    }
}

/// A value with the place it was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fact<T> {
    /// The value.
    pub value: T,
    /// Where it was read.
    pub provenance: Provenance,
}

/// Where functions are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunctionSource {
    /// `.symtab`.
    Symtab,
    /// The function table of the Go runtime.
    Pclntab,
}

impl fmt::Display for FunctionSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Symtab => "symtab",
            Self::Pclntab => "pclntab",
        })
    }
}

/// Where struct layouts are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayoutSource {
    /// Debugging information, version 4 or older.
    Dwarf4,
    /// Debugging information, version 5.
    Dwarf5,
    /// Type descriptors of the Go runtime.
    TypeDescriptors,
    /// Nothing usable.
    None,
}

impl fmt::Display for LayoutSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dwarf4 => "dwarf4",
            Self::Dwarf5 => "dwarf5",
            Self::TypeDescriptors => "type descriptors",
            Self::None => "none",
        })
    }
}

impl From<Provenance> for LayoutSource {
    fn from(provenance: Provenance) -> Self {
        match provenance {
            Provenance::Dwarf4 => Self::Dwarf4,
            Provenance::Dwarf5 => Self::Dwarf5,
            Provenance::TypeDescriptors => Self::TypeDescriptors,
            Provenance::Symtab
            | Provenance::Pclntab
            | Provenance::InlineTree
            | Provenance::Table
            | Provenance::CodeSignature { .. } => Self::None,
        }
    }
}

/// A function body.
///
/// # Units       virtual address as linked, before any load bias; size in bytes without trailing padding
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Name as the table writes it.
    pub name: String,
    /// First instruction.
    pub address: u64,
    /// Length of the body.
    pub size: u64,
    /// Where it was read.
    pub provenance: Provenance,
}

impl Function {
    /// What an answer pays to keep one: a name of its own, and a place in a list that grows by doubling.
    pub(crate) fn cost(name: usize) -> u64 {
        (name as u64).saturating_add(128)
    }
}

/// A global variable.
///
/// # Units       virtual address as linked, before any load bias; size in bytes
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// First byte.
    pub address: u64,
    /// Length; 0 when the code that names the variable is that of releases that differ in it.
    pub size: u64,
}

/// A function on the way to an instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Name as the function table writes it.
    pub function: String,
    /// Source file, with the path it was compiled under.
    pub file: String,
    /// Line of the instruction, or of the call that led to the frame before.
    pub line: u32,
    /// The function's body is part of the next frame's.
    pub inlined: bool,
}

/// A function that holds copies of another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlinedInto {
    /// Name as the function table writes it.
    pub function: String,
    /// First instruction, as linked.
    pub address: u64,
    /// How many copies it holds.
    pub copies: u32,
}

impl InlinedInto {
    /// What an answer pays to keep one: a name of its own, and a place in a list that grows by doubling.
    pub(crate) fn cost(name: usize) -> u64 {
        (name as u64).saturating_add(96)
    }
}

/// The kind of instruction a probe may sit on, and what a handler there must check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SiteKind {
    /// amd64: `push %rbp`, passed exactly once per call.
    PushRbp,
    /// amd64: the stack check's `jbe`, passed again when the stack grows: a hit with CF or ZF set does not count.
    Jbe,
    /// arm64: the stack check's `b.ls`, passed again when the stack grows: a hit with C clear or Z set does not count.
    BLs,
    /// arm64: another instruction that the kernel simulates, in a function without stack check; passed
    /// exactly once per call.
    Simulated,
    /// Behind a call, passed exactly once when the call returns.
    AfterCall,
}

impl fmt::Display for SiteKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PushRbp => "push %rbp",
            Self::Jbe => "jbe",
            Self::BLs => "b.ls",
            Self::Simulated => "simulated",
            Self::AfterCall => "after call",
        })
    }
}

/// An instruction at which a probe is cheap and exact; at a function's site the arguments are in their registers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeSite {
    /// Virtual address as linked.
    pub address: u64,
    /// The same place as an offset in the file, as uprobes want it.
    pub file_offset: u64,
    /// What a handler there must check.
    pub kind: SiteKind,
    /// The instruction in AT&T syntax, on arm64 in GNU syntax; branches name their target's address.
    pub instruction: String,
}

/// A general register by the number instructions use for it: 0 is `rax` and 1 is `rcx`, or 0 is `x0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Register {
    /// Whose register.
    pub machine: Machine,
    /// 0 to 15 on amd64, 0 to 30 on arm64.
    pub number: u8,
}

impl fmt::Display for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const AMD64: [&str; 8] = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"];
        match (self.machine, AMD64.get(usize::from(self.number))) {
            (Machine::Amd64, Some(name)) => f.write_str(name),
            (Machine::Amd64, None) => write!(f, "r{}", self.number),
            (Machine::Arm64, _) => write!(f, "x{}", self.number),
        }
    }
}

/// Where a value is when a probe site is reached, before its instruction runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// All 64 bits in a register.
    Register(Register),
    /// In the 8 bytes so far from the stack pointer.
    Stack(i32),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Register(register) => write!(f, "{register}"),
            Self::Stack(offset) => write!(f, "{offset:+}(sp)"),
        }
    }
}

/// A place behind a call where its results can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AfterCall {
    /// Address of the call instruction.
    pub call: u64,
    /// The first instruction behind it that the kernel emulates.
    pub site: ProbeSite,
    /// Where each integer result is there, in the order of the result registers; `None` when it was
    /// overwritten, or never was in a register.
    pub results: Vec<Option<Place>>,
}
