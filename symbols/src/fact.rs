//! The facts a binary yields, each with its provenance.

use std::fmt;

/// Says where a fact was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provenance {
    /// `.symtab`.
    Symtab,
    /// The function table of the Go runtime.
    Pclntab,
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
            Self::Symtab | Self::Pclntab | Self::Dwarf4 | Self::Dwarf5 | Self::TypeDescriptors => {
                Confidence::Stated
            }
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
    /// Independent places in the binary's code agree.
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

/// The kind of instruction a probe may sit on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SiteKind {
    /// `push %rbp`, passed exactly once per call.
    PushRbp,
    /// The stack check's `jbe`, passed again when the stack grows: a hit with CF or ZF set does not count.
    Jbe,
}

impl fmt::Display for SiteKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PushRbp => "push %rbp",
            Self::Jbe => "jbe",
        })
    }
}

/// An instruction at which a probe is cheap, exact and sees the arguments in their registers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeSite {
    /// Virtual address as linked.
    pub address: u64,
    /// The same place as an offset in the file, as uprobes want it.
    pub file_offset: u64,
    /// What a handler there must check.
    pub kind: SiteKind,
    /// The instruction in AT&T syntax.
    pub instruction: String,
}
