//! A parsed Go binary and the questions it answers.

use std::sync::OnceLock;

use crate::budget::{Exhausted, Limits, Spent};
use crate::build_mode::{Build, BuildMode};
use crate::buildinfo;
use crate::error::{Error, Reason, Unresolved};
use crate::fact::{Fact, Function, FunctionSource, LayoutSource, Provenance, Variable};
use crate::functions::{Pclntab, Symtab};
use crate::image::{Image, Machine, Segment};
use crate::layout::{self, Descriptors, Layouts};
use crate::lines::InlineIndex;
use crate::modinfo::BuildInfo;
use crate::moduledata::ModuleData;
use crate::notes;
use crate::refusal;
use crate::scratch::{MEMORY, Scratch};
use crate::tables::{self, Signature, StructTable, Votes};
use crate::version::GoVersion;

/// Where the facts of a binary come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sources {
    /// Functions.
    pub functions: FunctionSource,
    /// Struct layouts.
    pub layouts: LayoutSource,
}

/// How maps are laid out in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapKind {
    /// Buckets with overflow chains, up to go1.23.
    Classic,
    /// Groups with control words, since go1.24.
    Swiss,
    /// The binary does not say.
    Unknown,
}

/// A Go binary whose headers and build information make sense.
#[derive(Debug)]
pub struct GoBinary<'d> {
    pub(crate) image: Image<'d>,
    pub(crate) version: GoVersion,
    info: BuildInfo,
    build_id: String,
    symtab: Option<Symtab<'d>>,
    pub(crate) pclntab: Result<Pclntab<'d>, Reason>,
    pub(crate) module: Result<ModuleData, Reason>,
    pub(crate) inlined: OnceLock<Result<InlineIndex, Reason>>,
    layout_source: OnceLock<LayoutSource>,
    dwarf: OnceLock<Result<Option<layout::Sections<'d>>, Reason>>,
    votes: OnceLock<Votes>,
}

impl<'d> GoBinary<'d> {
    /// Reads the headers and tables of a file; everything else is read when asked for.
    ///
    /// Expanded sections are kept in memory; see [`GoBinary::parse_with`] for large binaries.
    ///
    /// # Errors
    /// When the file is no ELF file for a known machine, is not Go's, was packed or obfuscated, or is older
    /// than go1.17.
    pub fn parse(data: &'d [u8]) -> Result<Self, Error> {
        Self::parse_with(data, Limits::default(), &MEMORY)
    }

    /// Does the same within `limits`, and keeps expanded sections in `scratch`.
    ///
    /// # Errors
    /// As [`GoBinary::parse`].
    pub fn parse_with(
        data: &'d [u8],
        limits: Limits,
        scratch: &'d dyn Scratch,
    ) -> Result<Self, Error> {
        let image = Image::parse(data, limits, scratch)?;
        // A table that cannot be indexed counts as none: the function table says as much of functions.
        let symtab = Symtab::find(&image).ok().flatten();
        let (version, info) = release(&image, symtab.as_ref())?;
        let (pclntab, module) = match Pclntab::place(&image) {
            Ok(place) => {
                let marker = || {
                    symtab
                        .as_ref()
                        .and_then(|symtab| symtab.address_of("runtime.text"))
                };
                let recorded = || place.module.as_ref().ok().map(|module| module.text);
                let text = Pclntab::stated_text(&image, place.address);
                let text = text.or_else(marker).or_else(recorded);
                (Pclntab::parse(&image, place.address, text), place.module)
            }
            Err(reason) => (Err(reason), Err(Reason::NoModuleData)),
        };
        let build_id = notes::build_id(&image);
        Ok(Self {
            image,
            version,
            info,
            build_id,
            symtab,
            pclntab,
            module,
            inlined: OnceLock::new(),
            layout_source: OnceLock::new(),
            dwarf: OnceLock::new(),
            votes: OnceLock::new(),
        })
    }

    /// Answers what the questions so far have cost.
    pub fn spent(&self) -> Spent {
        self.image.budget.spent()
    }

    /// Answers the Go release.
    pub fn go_version(&self) -> &GoVersion {
        &self.version
    }

    /// Answers modules and build settings.
    pub fn build_info(&self) -> &BuildInfo {
        &self.info
    }

    /// Answers what the linker made of the program.
    ///
    /// # Errors
    /// When the functions cannot be listed, or the build settings contradict the file.
    pub fn build(&self) -> Result<Build, Unresolved> {
        let links = |name: &str| self.links(name);
        let listed = match (&self.symtab, &self.pclntab) {
            (None, Err(reason)) => Err(reason.clone()),
            _ => Build::read(&self.image, &self.info, links),
        };
        listed.map_err(|reason| Unresolved::new("build mode", reason))
    }

    /// Answers the kind of file the linker wrote.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn build_mode(&self) -> Result<BuildMode, Unresolved> {
        self.build().map(|build| build.mode)
    }

    /// Says whether a function of exactly this name is linked in.
    fn links(&self, name: &str) -> Result<bool, Exhausted> {
        // Names end with NUL in both tables.
        self.any_function(format!("{name}\0").as_bytes())
    }

    fn any_function(&self, prefix: &[u8]) -> Result<bool, Exhausted> {
        match (&self.symtab, &self.pclntab) {
            (Some(symtab), _) => symtab.any_function(prefix),
            (None, Ok(pclntab)) => pclntab.any_function(prefix, &self.image.budget),
            (None, Err(_)) => Ok(false),
        }
    }

    /// Answers the GNU build id as hex, else the Go build id, else nothing.
    pub fn build_id(&self) -> &str {
        &self.build_id
    }

    /// Answers the machine.
    pub fn machine(&self) -> Machine {
        self.image.machine
    }

    /// Says whether addresses need a load bias.
    pub fn is_pie(&self) -> bool {
        self.image.pie
    }

    /// Lists the loadable segments.
    pub fn segments(&self) -> &[Segment] {
        &self.image.segments
    }

    /// Says whether the file has debugging information at all, readable or not, of Go code or other code.
    pub fn has_debug_information(&self) -> bool {
        let mut sections = self.image.sections.iter();
        sections.any(|section| matches!(section.name, b".debug_info" | b".zdebug_info"))
    }

    /// Translates an address as linked to an offset in the file.
    pub fn file_offset(&self, vaddr: u64) -> Option<u64> {
        self.image.file_offset(vaddr)
    }

    /// Says where functions and layouts come from; asks for the layout of `runtime.g` when none was asked yet.
    pub fn sources(&self) -> Sources {
        let functions = if self.symtab.is_some() {
            FunctionSource::Symtab
        } else {
            FunctionSource::Pclntab
        };
        let layouts = self
            .layout_source
            .get()
            .copied()
            .unwrap_or_else(|| self.layouts(&["runtime.g"]).source());
        Sources { functions, layouts }
    }

    /// Finds a function by its full name: the body that takes its arguments in registers, or under
    /// `name.abi0` the one that takes them on the stack.
    ///
    /// `[...]` in a name stands for any type arguments, and dots of an import path may be written as they
    /// are or as `%2e`.
    ///
    /// # Errors
    /// When the name is absent, when it exists only in copies inlined into others, or when several
    /// bodies carry it.
    pub fn function(&self, name: &str) -> Result<Function, Unresolved> {
        let found = match (&self.symtab, &self.pclntab) {
            (Some(symtab), _) => symtab.function(&self.image, name),
            (None, Ok(pclntab)) => pclntab.function(&self.image, name),
            (None, Err(reason)) => Err(reason.clone()),
        };
        let explain = |reason| match reason {
            Reason::NotFound => self.why_absent(name),
            reason => reason,
        };
        found.map_err(|reason| Unresolved::new(name, explain(reason)))
    }

    /// Finds the function that covers an address as linked.
    pub fn function_at(&self, address: u64) -> Option<Function> {
        match (&self.symtab, &self.pclntab) {
            (Some(symtab), _) => symtab.function_at(address),
            (None, Ok(pclntab)) => pclntab.function_at(&self.image, address),
            (None, Err(_)) => None,
        }
    }

    /// Lists the functions whose full name satisfies `matches`, in no particular order.
    ///
    /// # Errors
    /// When the binary has no readable table, or its limits are spent: part of a list is no answer.
    pub fn functions_where(
        &self,
        matches: impl Fn(&str) -> bool,
    ) -> Result<Vec<Function>, Unresolved> {
        let listed = match (&self.symtab, &self.pclntab) {
            (Some(symtab), _) => symtab.functions_where(matches).map_err(Reason::from),
            (None, Ok(pclntab)) => pclntab.functions_where(&self.image, matches),
            (None, Err(reason)) => Err(reason.clone()),
        };
        listed.map_err(|reason| Unresolved::new("list of functions", reason))
    }

    /// Finds a global variable: in the symbol table, else by code that names it in a reference build.
    ///
    /// # Errors
    /// When the symbol table does not have it; without one, when no two places in known code name it.
    pub fn variable(&self, name: &str) -> Result<Fact<Variable>, Unresolved> {
        let found = match &self.symtab {
            Some(symtab) => symtab
                .variable(name)
                .map(|value| (value, Provenance::Symtab)),
            None => self
                .votes
                .get_or_init(|| {
                    let release = self.table().release();
                    Votes::count(&self.image, release, |name| self.function(name).ok())
                })
                .variable(name)
                .map(|(value, votes)| (value, Provenance::CodeSignature { votes })),
        };
        found
            .map(|(value, provenance)| Fact { value, provenance })
            .map_err(|reason| Unresolved::new(name, reason))
    }

    /// Takes the addresses out of a function's code; `None` when the bytes are no instructions.
    pub fn signature(&self, function: &Function) -> Option<Signature> {
        tables::signature_of(&self.image, function)
    }

    /// Finds the address that the name and type offsets of type descriptors count from.
    ///
    /// # Errors
    /// When the runtime's module data was not found, or this Go release is not known.
    pub fn types_address(&self) -> Result<u64, Unresolved> {
        let module = self.module.as_ref().map_err(Reason::clone);
        let section = module.and_then(|module| module.types(&self.image, &self.version));
        section
            .map(|section| section.start)
            .map_err(|reason| Unresolved::new("runtime.firstmoduledata.types", reason))
    }

    /// Reads the layouts of all wanted structs, and of the structs inside them, in one pass.
    ///
    /// Each struct comes from debugging information; where that is missing, torn or silent, from type
    /// descriptors; and where no descriptor reaches it, from the row of the reference tables for this
    /// exact release or module.
    pub fn layouts(&self, wanted: &[&str]) -> Layouts {
        let read = self.dwarf_layouts(wanted);
        let has_dwarf = read.is_some();
        let mut layouts = read
            .unwrap_or(Err(Reason::NoDescriptor))
            .unwrap_or_else(|reason| Layouts::unknown(wanted, &reason));
        if let Err(reason) = self.add_descriptors(&mut layouts)
            && !has_dwarf
        {
            layouts = Layouts::unknown(wanted, &reason);
        }
        layouts.complete(&self.table(), &self.image.budget);
        if layouts.source() != LayoutSource::None {
            // A second pass finds the same source; the first to finish keeps its answer.
            self.layout_source.get_or_init(|| layouts.source());
        }
        layouts
    }

    /// Answers what the reference tables alone say, whatever the binary itself says: for comparisons.
    pub fn reference_layouts(&self, wanted: &[&str]) -> Layouts {
        let mut layouts = Layouts::unknown(wanted, &Reason::NoDescriptor);
        layouts.complete(&self.table(), &self.image.budget);
        layouts
    }

    fn table(&self) -> StructTable<'_> {
        StructTable::new(&self.version, self.image.machine, &self.info)
    }

    /// Reads debugging information, expanded once for all questions; `None` when there is none of Go code.
    fn dwarf_layouts(&self, wanted: &[&str]) -> Option<Result<Layouts, Reason>> {
        let expanded = self
            .dwarf
            .get_or_init(|| layout::Sections::expand(&self.image));
        let sections = match expanded {
            Ok(sections) => sections.as_ref()?,
            Err(reason) => return Some(Err(reason.clone())),
        };
        match layout::Dwarf::search(&self.image, sections, wanted) {
            Ok((dwarf, found)) => dwarf.has_go_units().then(|| {
                let mut layouts = Layouts::unknown(wanted, &Reason::NotFound);
                layouts.add(&found, &dwarf, &self.image.budget);
                Ok(layouts)
            }),
            Err(reason) => Some(Err(reason)),
        }
    }

    /// Reads from type descriptors what is still missing.
    fn add_descriptors(&self, layouts: &mut Layouts) -> Result<(), Reason> {
        let missing = layouts.missing();
        if missing.is_empty() {
            return Ok(());
        }
        let descriptors = self.descriptors()?;
        let found = descriptors.search(&missing)?;
        layouts.add(&found, &descriptors, &self.image.budget);
        Ok(())
    }

    fn descriptors(&self) -> Result<Descriptors<'_, 'd>, Reason> {
        let module = self.module.as_ref().map_err(Reason::clone)?;
        let section = module.types(&self.image, &self.version)?;
        Ok(Descriptors::new(&self.image, section, &self.version))
    }

    /// Says how maps are laid out.
    ///
    /// Relies on the release (no swiss maps before go1.24), on the experiments in the version text
    /// (`noswissmap` in go1.24 and go1.25), and on the presence of the functions of the swiss map.
    pub fn map_kind(&self) -> MapKind {
        if !self.version.at_least(24) || self.version.experiments().any(|name| name == "noswissmap")
        {
            return MapKind::Classic;
        }
        match self.any_function(b"internal/runtime/maps.(*Map).") {
            Ok(true) => MapKind::Swiss,
            Ok(false) | Err(_) => MapKind::Unknown,
        }
    }
}

/// Reads the release and the build information, or finds out why a Go program states neither.
fn release(
    image: &Image<'_>,
    symtab: Option<&Symtab<'_>>,
) -> Result<(GoVersion, BuildInfo), Error> {
    match buildinfo::read(image) {
        Ok(read) => match refusal::obfuscated(image, &read.0.text) {
            Some(refusal) => Err(refusal),
            None => Ok(read),
        },
        Err(Error::UnknownVersion { text }) => {
            Err(refusal::obfuscated(image, &text).unwrap_or(Error::UnknownVersion { text }))
        }
        Err(Error::NotGo) => {
            let variable = symtab.and_then(|symtab| symtab.variable("runtime.buildVersion").ok());
            if let Some(variable) = variable {
                let version = buildinfo::version_variable(image, variable.address)?;
                return Ok((version, BuildInfo::default()));
            }
            Err(match refusal::packer(image.data) {
                Some(packer) => Error::Packed { packer },
                None if image.go_section(".gopclntab").is_some() => Error::NoRelease,
                None => image.cut_short().unwrap_or(Error::NotGo),
            })
        }
        Err(other) => Err(other),
    }
}
