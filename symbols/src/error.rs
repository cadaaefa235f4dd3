//! What makes a file unusable ([`Error`]) and what makes one fact unknown ([`Unresolved`]).

use crate::build_mode::BuildMode;

/// Says why a file cannot be read as a Go binary at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file does not begin with the ELF magic.
    #[error("not an elf file")]
    NotElf,
    /// The file is not 64-bit little-endian.
    #[error(
        "elf class {class} with data encoding {encoding} is not supported, only 64-bit little-endian"
    )]
    UnsupportedFormat {
        /// `EI_CLASS`.
        class: u8,
        /// `EI_DATA`.
        encoding: u8,
    },
    /// The file is for a machine other than amd64 and arm64.
    #[error("elf machine {machine} is not supported, only amd64 and arm64")]
    UnsupportedMachine {
        /// `e_machine`.
        machine: u16,
    },
    /// The file is an object, a core dump or something else that does not run.
    #[error("elf type {kind} is not an executable")]
    NotExecutable {
        /// `e_type`.
        kind: u16,
    },
    /// A part of the file that everything else depends on does not make sense.
    #[error("malformed {section} at byte {offset}")]
    Malformed {
        /// Section or table.
        section: &'static str,
        /// Byte offset in the file.
        offset: u64,
    },
    /// The file carries no Go build information.
    #[error("no go build information")]
    NotGo,
    /// The file ends before what its headers describe.
    #[error("the file was cut short: it ends at byte {size}, its segments at byte {end}")]
    Truncated {
        /// Bytes in the file.
        size: u64,
        /// Where the last segment would end.
        end: u64,
    },
    /// The program's code is compressed and exists in memory only.
    #[error(
        "packed with {packer}: code and tables exist only in memory, ship the program unpacked"
    )]
    Packed {
        /// The packer whose mark the file bears.
        packer: &'static str,
    },
    /// A Go program whose tables were rewritten so that tools cannot read them.
    #[error("obfuscated go program: {sign}")]
    Obfuscated {
        /// What shows it.
        sign: String,
    },
    /// A Go program from which the build information was taken, and no symbol names the release.
    #[error("go program without build information: its release is unknown")]
    NoRelease,
    /// The Go version text names no release.
    #[error("go version {text:?} names no release")]
    UnknownVersion {
        /// The text in the binary.
        text: String,
    },
    /// The Go version passes arguments on the stack.
    #[error("{text} is older than go1.17, the first release with arguments in registers")]
    TooOld {
        /// The text in the binary.
        text: String,
    },
    /// The file wants more work than any real binary.
    #[error("more than {limit} {what}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The bound.
        limit: u64,
    },
}

impl Error {
    /// Names the error with a word from a fixed set.
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::NotElf => "not_elf",
            Self::UnsupportedFormat { .. } => "unsupported_format",
            Self::UnsupportedMachine { .. } => "unsupported_machine",
            Self::NotExecutable { .. } => "not_executable",
            Self::Malformed { .. } => "malformed",
            Self::NotGo => "not_go",
            Self::Truncated { .. } => "truncated",
            Self::Packed { .. } => "packed",
            Self::Obfuscated { .. } => "obfuscated",
            Self::NoRelease => "no_release",
            Self::UnknownVersion { .. } => "unknown_version",
            Self::TooOld { .. } => "too_old",
            Self::Limit { .. } => "limit",
        }
    }
}

/// Names a fact that was asked for and could not be established.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {reason}")]
pub struct Unresolved {
    /// The function, struct field or variable.
    pub what: String,
    /// Why it is unknown.
    pub reason: Reason,
}

impl Unresolved {
    /// Joins a name and a reason.
    pub(crate) fn new(what: impl Into<String>, reason: Reason) -> Self {
        Self {
            what: what.into(),
            reason,
        }
    }

    /// Says whether the program simply does not contain it, which is no failure to read it.
    pub fn is_absent(&self) -> bool {
        self.reason == Reason::NotFound
    }

    /// Names the reason with a word from a fixed set.
    pub fn error_type(&self) -> &'static str {
        self.reason.error_type()
    }
}

/// Says why one fact is unknown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The table was read and has no such name.
    #[error("not in this binary")]
    NotFound,
    /// The function has no body of its own: every call of it was inlined.
    #[error("exists only in {copies} copies inlined into other functions")]
    OnlyInlined {
        /// How many.
        copies: u32,
    },
    /// The function has a body, and further copies of it elsewhere.
    #[error("has {copies} copies inlined into other functions, where a probe on it sees nothing")]
    PartlyInlined {
        /// How many.
        copies: u32,
    },
    /// The function table leaves type arguments out, so that which body is meant is unknown.
    #[error("the function table of this release does not tell type arguments")]
    TypeArguments,
    /// Several different bodies or definitions carry the name.
    #[error("{count} different definitions carry this name")]
    Ambiguous {
        /// How many.
        count: usize,
    },
    /// Only an assembly body carries the name, and without a symbol table its calling convention is unknown.
    #[error("assembly function, its calling convention is unknown without a symbol table")]
    Assembly,
    /// The binary is stripped and the fact exists only in the symbol table.
    #[error("no symbol table")]
    NoSymbolTable,
    /// The binary has neither symbol table nor function table.
    #[error("no function table")]
    NoFunctionTable,
    /// The function table gives offsets, and the address they start at was not found.
    #[error("start of the text is unknown")]
    NoTextStart,
    /// The binary has neither debugging information nor readable type descriptors.
    #[error("no debugging information and no type descriptors")]
    NoLayouts,
    /// The runtime's module data was not found.
    #[error("module data not found")]
    NoModuleData,
    /// Type descriptors were read, and none describes this struct.
    #[error("no type descriptor reaches it and there is no debugging information")]
    NoDescriptor,
    /// The reference tables have rows for this release or module, but none for this version of it.
    #[error("no reference layouts of {what} {version}; the nearest known are {nearest}")]
    NoReference {
        /// `release`, or the path of a module.
        what: &'static str,
        /// The version in the binary.
        version: String,
        /// The known versions below and above.
        nearest: String,
    },
    /// The code that names the variable is not that of enough reference builds.
    #[error(
        "code of {matched} out of {wanted} functions that name it is that of a known build, not enough"
    )]
    NoSignature {
        /// Functions whose code is known.
        matched: usize,
        /// Functions that name the variable in some known build.
        wanted: usize,
    },
    /// Places in the binary's code name different addresses.
    #[error("{votes} places in the code name one address, {against} another")]
    VotesDiffer {
        /// Places that agree.
        votes: u32,
        /// Places that do not.
        against: u32,
    },
    /// The struct was not in the list given to `layouts`.
    #[error("struct was not asked for")]
    NotRequested,
    /// The struct has no such field.
    #[error("{structure} has no field {field}")]
    NoField {
        /// The struct searched.
        structure: String,
        /// The part of the path that was not found.
        field: String,
    },
    /// The path goes on behind a field that is not a struct.
    #[error("{field} is not a struct")]
    NotAStruct {
        /// The part of the path that has no fields.
        field: String,
    },
    /// Facts about this Go release are not known to the crate.
    #[error("{what} of {version} are unknown")]
    UnsupportedVersion {
        /// Which facts.
        what: &'static str,
        /// The release.
        version: String,
    },
    /// There are probes for amd64 only.
    #[error("probes on arm64 are not supported")]
    UnsupportedMachine,
    /// The file runs inside the process of another program.
    #[error("this is a library ({mode}), which another program loads")]
    Library {
        /// How it was linked.
        mode: BuildMode,
    },
    /// No instruction near the entry can carry a cheap and exact probe.
    #[error("no instruction near the entry can carry a cheap and exact probe")]
    NoCheapInstruction,
    /// The function does not call the other one directly.
    #[error("no direct call of {callee}")]
    NoCall {
        /// The other function.
        callee: String,
    },
    /// Behind a call, straight-line code ends before an instruction that the kernel emulates.
    #[error("{instruction:?} ends the way from the call at {call:#x} to an emulated instruction")]
    NoSiteBehindCall {
        /// Address of the call.
        call: u64,
        /// The instruction at the end.
        instruction: String,
    },
    /// What lies behind a call can be reached without it.
    #[error("code at {address:#x} behind the call at {call:#x} is also reached by a jump")]
    JumpBehindCall {
        /// Address of the call.
        call: u64,
        /// Where the jump leads.
        address: u64,
    },
    /// A jump whose targets are unknown may lead behind the call.
    #[error("the targets of the jump at {jump:#x} are unknown")]
    UnknownJump {
        /// Address of the jump.
        jump: u64,
    },
    /// No source line belongs to the address.
    #[error("no source line covers address {address:#x}")]
    NoSourceLine {
        /// Virtual address.
        address: u64,
    },
    /// An instruction before the site changes what a probe would read.
    #[error("{instruction:?} before the site changes an argument register")]
    ArgumentsChanged {
        /// The instruction.
        instruction: String,
    },
    /// The bytes are not instructions.
    #[error("undecodable instruction at {address:#x}")]
    Undecodable {
        /// Virtual address.
        address: u64,
    },
    /// The address is not backed by the file's executable segments.
    #[error("address {address:#x} is not in the file's code")]
    OutsideCode {
        /// Virtual address.
        address: u64,
    },
    /// The bytes of a table do not make sense.
    #[error("malformed {section} at offset {offset}")]
    Malformed {
        /// Section or table.
        section: &'static str,
        /// Offset in the section, or virtual address for tables found by address.
        offset: u64,
    },
    /// A section is compressed in a way the crate does not read.
    #[error("{section} is compressed with unknown method {method}")]
    Compression {
        /// Section.
        section: &'static str,
        /// `ch_type`.
        method: u32,
    },
    /// The caller's scratch did not keep an expanded section.
    #[error("no room for the expanded {section}: {kind}")]
    Scratch {
        /// Section.
        section: &'static str,
        /// What the scratch met.
        kind: std::io::ErrorKind,
    },
    /// Two places in the file contradict each other.
    #[error("the file states {stated}, but is {found}")]
    Contradiction {
        /// What one place says.
        stated: String,
        /// What the rest of the file shows.
        found: String,
    },
    /// The answer wants more work than any real binary.
    #[error("more than {limit} {what}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The bound.
        limit: u64,
    },
}

impl Reason {
    /// Names the reason with a word from a fixed set.
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::OnlyInlined { .. } => "only_inlined",
            Self::PartlyInlined { .. } => "partly_inlined",
            Self::TypeArguments => "type_arguments",
            Self::Ambiguous { .. } => "ambiguous",
            Self::Assembly => "assembly",
            Self::NoSymbolTable => "no_symbol_table",
            Self::NoFunctionTable => "no_function_table",
            Self::NoTextStart => "no_text_start",
            Self::NoLayouts => "no_layouts",
            Self::NoModuleData => "no_module_data",
            Self::NoDescriptor => "no_descriptor",
            Self::NoReference { .. } => "no_reference",
            Self::NoSignature { .. } => "no_signature",
            Self::VotesDiffer { .. } => "votes_differ",
            Self::NotRequested => "not_requested",
            Self::NoField { .. } => "no_field",
            Self::NotAStruct { .. } => "not_a_struct",
            Self::UnsupportedVersion { .. } => "unsupported_version",
            Self::UnsupportedMachine => "unsupported_machine",
            Self::Library { .. } => "library",
            Self::NoCheapInstruction => "no_cheap_instruction",
            Self::NoCall { .. } => "no_call",
            Self::NoSiteBehindCall { .. } => "no_site_behind_call",
            Self::JumpBehindCall { .. } => "jump_behind_call",
            Self::UnknownJump { .. } => "unknown_jump",
            Self::NoSourceLine { .. } => "no_source_line",
            Self::ArgumentsChanged { .. } => "arguments_changed",
            Self::Undecodable { .. } => "undecodable",
            Self::OutsideCode { .. } => "outside_code",
            Self::Malformed { .. } => "malformed",
            Self::Compression { .. } => "compression",
            Self::Scratch { .. } => "scratch",
            Self::Contradiction { .. } => "contradiction",
            Self::Limit { .. } => "limit",
        }
    }
}
