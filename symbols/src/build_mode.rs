//! How a program was linked: what the file itself shows, held against what its build settings say.

use std::fmt;

use crate::budget::Exhausted;
use crate::bytes;
use crate::error::Reason;
use crate::image::{Image, Machine};
use crate::modinfo::BuildInfo;

/// Size of `Elf64_Dyn`.
const DYN: usize = 16;
const DT_NEEDED: u64 = 1;
const DT_FLAGS_1: u64 = 0x6fff_fffb;
/// The flag of `DT_FLAGS_1` that tells a position-independent program from a library.
const DF_1_PIE: u64 = 0x0800_0000;

/// The ways to link Go code into a file that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BuildMode {
    /// A program at fixed addresses.
    Exe,
    /// A position-independent program, relocated by the system's loader.
    Pie,
    /// A position-independent program that relocates itself.
    StaticPie,
    /// A program in another language with Go code inside (`c-archive`).
    CArchive,
    /// A library that programs in other languages load.
    CShared,
    /// A library that Go programs open with package `plugin`.
    Plugin,
}

impl BuildMode {
    /// Whether the file is loaded by another program and has no process of its own.
    pub fn is_library(self) -> bool {
        matches!(self, Self::CShared | Self::Plugin)
    }
}

impl fmt::Display for BuildMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exe => "exe",
            Self::Pie => "pie",
            Self::StaticPie => "static-pie",
            Self::CArchive => "c-archive",
            Self::CShared => "c-shared",
            Self::Plugin => "plugin",
        })
    }
}

/// Whether the runtime of this file may know further modules, each with code, types and variables of its own.
///
/// The list of modules exists in memory only (`runtime.moduledata.next`); a file tells what may join it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Modules {
    /// This file's module is the only one.
    One,
    /// The program can open plugins, which add modules.
    Plugins,
    /// This file is such a plugin: the runtime of the program that opened it is in use, not its own.
    Joins,
}

impl fmt::Display for Modules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::One => "one module",
            Self::Plugins => "plugins may add modules",
            Self::Joins => "joins the modules of another program",
        })
    }
}

/// What the linker made of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Build {
    /// The kind of file.
    pub mode: BuildMode,
    /// Neither a loader nor shared libraries take part.
    pub is_static: bool,
    /// Go calls C or C calls Go: `runtime/cgo` is linked in.
    pub cgo: bool,
    /// The race detector is linked in, which changes prologues and calls.
    pub race: bool,
    /// Modules beyond the one of this file.
    pub modules: Modules,
}

impl Build {
    /// Reads headers and settings; `links` says whether a function of exactly this name is linked in.
    ///
    /// # Source     rt0_*.s, runtime/cgo, race.go and plugin_dlopen.go of go1.17 to go1.27
    pub(crate) fn read(
        image: &Image<'_>,
        info: &BuildInfo,
        links: impl Fn(&str) -> Result<bool, Exhausted>,
    ) -> Result<Self, Reason> {
        let dynamic = Dynamic::read(image.dynamic.unwrap_or_default());
        // The code through which C starts the Go runtime.
        let hosted = links(match image.machine {
            Machine::Amd64 => "_rt0_amd64_linux_lib",
            Machine::Arm64 => "_rt0_arm64_linux_lib",
        })?;
        let is_library = image.pie && !image.has_interpreter && !dynamic.pie;
        let mode = match (is_library, hosted) {
            (true, true) => BuildMode::CShared,
            (true, false) => BuildMode::Plugin,
            (false, true) => BuildMode::CArchive,
            (false, false) if !image.pie => BuildMode::Exe,
            (false, false) if image.has_interpreter => BuildMode::Pie,
            (false, false) => BuildMode::StaticPie,
        };
        if let Some(stated) = info
            .setting("-buildmode")
            .filter(|&word| !may_be(word, mode))
        {
            return Err(Reason::Contradiction {
                stated: format!("-buildmode={stated}"),
                found: mode.to_string(),
            });
        }
        let modules = match mode {
            BuildMode::Plugin => Modules::Joins,
            _ if links("plugin.open")? => Modules::Plugins,
            _ => Modules::One,
        };
        Ok(Self {
            mode,
            is_static: !image.has_interpreter && !dynamic.needs_libraries,
            cgo: links("runtime.cgocallbackg")?,
            race: links("runtime.raceinit")?,
            modules,
        })
    }
}

/// Says whether the build setting `stated` can lead to a file of this mode.
fn may_be(stated: &str, mode: BuildMode) -> bool {
    match mode {
        BuildMode::StaticPie => stated == "pie",
        mode => stated == mode.to_string(),
    }
}

/// What the dynamic segment says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Dynamic {
    needs_libraries: bool,
    pie: bool,
}

impl Dynamic {
    fn read(table: &[u8]) -> Self {
        let mut read = Self::default();
        for entry in table.chunks_exact(DYN) {
            match (bytes::u64_at(entry, 0), bytes::u64_at(entry, 8)) {
                (Some(0), _) => break,
                (Some(DT_NEEDED), _) => read.needs_libraries = true,
                (Some(DT_FLAGS_1), Some(flags)) => read.pie = flags & DF_1_PIE != 0,
                _ => {}
            }
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dynamic_table_ends_at_its_null_entry() {
        let entry = |tag: u64, value: u64| [tag.to_le_bytes(), value.to_le_bytes()].concat();
        let table = [
            entry(DT_FLAGS_1, DF_1_PIE | 1),
            entry(0, 0),
            entry(DT_NEEDED, 7),
        ]
        .concat();
        let pie = Dynamic {
            needs_libraries: false,
            pie: true,
        };
        assert_eq!(Dynamic::read(&table), pie);
        assert_eq!(Dynamic::read(&table[..15]), Dynamic::default());
    }
}
