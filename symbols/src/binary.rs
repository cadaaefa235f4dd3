//! A parsed Go binary and the questions it answers.

use std::sync::OnceLock;

use crate::buildinfo;
use crate::error::{Error, Reason, Unresolved};
use crate::fact::{Fact, Function, FunctionSource, LayoutSource, ProbeSite, Provenance, Variable};
use crate::functions::{Pclntab, Symtab};
use crate::image::{Image, Machine, Segment};
use crate::layout::{self, Descriptors, Layouts};
use crate::modinfo::BuildInfo;
use crate::moduledata::ModuleData;
use crate::notes;
use crate::site;
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
    image: Image<'d>,
    version: GoVersion,
    info: BuildInfo,
    build_id: String,
    symtab: Option<Symtab<'d>>,
    pclntab: Result<Pclntab<'d>, Reason>,
    module: Result<ModuleData, Reason>,
    layout_source: OnceLock<LayoutSource>,
    votes: OnceLock<Votes>,
}

impl<'d> GoBinary<'d> {
    /// Reads the headers and tables of a file; everything else is read when asked for.
    ///
    /// # Errors
    /// When the file is no ELF file for a known machine, is not Go's, or is older than go1.17.
    pub fn parse(data: &'d [u8]) -> Result<Self, Error> {
        let image = Image::parse(data)?;
        let (version, info) = buildinfo::read(&image)?;
        let symtab = Symtab::find(&image);
        let table = Pclntab::address(&image);
        let module = table
            .ok_or(Reason::NoModuleData)
            .and_then(|table| ModuleData::find(&image, table));
        let pclntab = table.ok_or(Reason::NoFunctionTable).and_then(|table| {
            let stated = Pclntab::stated_text(&image, table);
            let marker = || {
                symtab
                    .as_ref()
                    .and_then(|symtab| symtab.address_of("runtime.text"))
            };
            let recorded = || module.as_ref().ok().map(|module| module.text);
            Pclntab::parse(&image, table, stated.or_else(marker).or_else(recorded))
        });
        let build_id = notes::build_id(&image);
        Ok(Self {
            image,
            version,
            info,
            build_id,
            symtab,
            pclntab,
            module,
            layout_source: OnceLock::new(),
            votes: OnceLock::new(),
        })
    }

    /// Answers the Go release.
    pub fn go_version(&self) -> &GoVersion {
        &self.version
    }

    /// Answers modules and build settings.
    pub fn build_info(&self) -> &BuildInfo {
        &self.info
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

    /// Finds a function that takes its arguments in registers by its full name.
    ///
    /// # Errors
    /// When the name is absent, or several bodies carry it.
    pub fn function(&self, name: &str) -> Result<Function, Unresolved> {
        let found = match (&self.symtab, &self.pclntab) {
            (Some(symtab), _) => symtab.function(&self.image, name),
            (None, Ok(pclntab)) => pclntab.function(&self.image, name),
            (None, Err(reason)) => Err(reason.clone()),
        };
        found.map_err(|reason| Unresolved::new(name, reason))
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
    pub fn functions_where(&self, matches: impl Fn(&str) -> bool) -> Vec<Function> {
        match (&self.symtab, &self.pclntab) {
            (Some(symtab), _) => symtab.functions_where(matches),
            (None, Ok(pclntab)) => pclntab.functions_where(&self.image, matches),
            (None, Err(_)) => Vec::new(),
        }
    }

    /// Finds the instruction of a function on which a probe is cheap, exact and sees the arguments.
    ///
    /// # Errors
    /// When the prologue has no such instruction, or the machine is not amd64.
    pub fn probe_site(&self, function: &Function) -> Result<ProbeSite, Unresolved> {
        site::find(&self.image, function)
            .map_err(|reason| Unresolved::new(function.name.clone(), reason))
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
    /// Each struct comes from debugging information; without any, from type descriptors; and where no
    /// descriptor reaches it, from the row of the reference tables for this exact release or module.
    pub fn layouts(&self, wanted: &[&str]) -> Layouts {
        let read = self
            .dwarf_layouts(wanted)
            .unwrap_or_else(|| self.descriptor_layouts(wanted));
        let mut layouts = read.unwrap_or_else(|reason| Layouts::unknown(wanted, &reason));
        layouts.complete(&self.table());
        if layouts.source() != LayoutSource::None {
            // A second pass finds the same source; the first to finish keeps its answer.
            self.layout_source.get_or_init(|| layouts.source());
        }
        layouts
    }

    /// Answers what the reference tables alone say, whatever the binary itself says: for comparisons.
    pub fn reference_layouts(&self, wanted: &[&str]) -> Layouts {
        let mut layouts = Layouts::unknown(wanted, &Reason::NoDescriptor);
        layouts.complete(&self.table());
        layouts
    }

    fn table(&self) -> StructTable<'_> {
        StructTable::new(&self.version, self.image.machine, &self.info)
    }

    /// Reads debugging information; `None` when there is none.
    pub(crate) fn dwarf_layouts(&self, wanted: &[&str]) -> Option<Result<Layouts, Reason>> {
        let sections = match layout::Sections::expand(&self.image) {
            Ok(sections) => sections?,
            Err(reason) => return Some(Err(reason)),
        };
        let search = layout::Dwarf::search(&sections, wanted);
        Some(search.map(|(dwarf, found)| Layouts::collect(wanted, &found, &dwarf)))
    }

    /// Reads type descriptors.
    pub(crate) fn descriptor_layouts(&self, wanted: &[&str]) -> Result<Layouts, Reason> {
        let descriptors = self.descriptors()?;
        let found = descriptors.search(wanted)?;
        Ok(Layouts::collect(wanted, &found, &descriptors))
    }

    pub(crate) fn descriptors(&self) -> Result<Descriptors<'_, 'd>, Reason> {
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
        let swiss = b"internal/runtime/maps.(*Map).";
        let present = match (&self.symtab, &self.pclntab) {
            (Some(symtab), _) => symtab.any_function(swiss),
            (None, Ok(pclntab)) => pclntab.any_function(swiss),
            (None, Err(_)) => false,
        };
        if present {
            MapKind::Swiss
        } else {
            MapKind::Unknown
        }
    }
}
