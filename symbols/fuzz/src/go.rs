//! What makes an ELF file a Go binary: build information and module data.

use super::elf::{EXECUTE, Elf, Machine, WRITE};

/// Where the pieces of a program are put; the seeds hold addresses of these.
pub const TEXT: u64 = 0x0040_1000;
pub const PCLNTAB: u64 = 0x0048_0000;
pub const FUNCDATA: u64 = 0x004c_0000;
pub const TYPES: u64 = 0x0050_0000;
pub const TYPE_LINKS: u64 = 0x0058_0000;
pub const TABLE_LINKS: u64 = 0x0059_0000;
const BUILD_INFO: u64 = 0x005a_0000;
const MODULE: u64 = 0x005b_0000;
const RELOCATIONS: u64 = 0x005c_0000;
const DYNAMIC: u64 = 0x005d_0000;
const NOTE: u64 = 0x0040_0000;

/// How a program was built: release and flags, one byte each.
#[derive(Clone, Copy)]
pub struct Build {
    /// 17 to 28, the last of which no release has yet.
    pub minor: u64,
    flags: u8,
}

impl Build {
    pub const ARM64: u8 = 1;
    pub const POSITION_INDEPENDENT: u8 = 2;
    pub const NO_SECTION_HEADERS: u8 = 4;
    pub const COMPRESSED: u8 = 8;
    pub const OLD_COMPRESSED: u8 = 16;

    /// Reads the first part of an input; any bytes mean something.
    pub fn read(part: &[u8]) -> Self {
        let byte = |at: usize| part.get(at).copied().unwrap_or(0);
        Self {
            minor: 17 + u64::from(byte(0) % 12),
            flags: byte(1),
        }
    }

    /// Writes what `read` reads.
    pub fn bytes(minor: u8, flags: u8) -> [u8; 2] {
        [minor - 17, flags]
    }

    pub fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub fn machine(self) -> Machine {
        if self.has(Self::ARM64) {
            Machine::Arm64
        } else {
            Machine::Amd64
        }
    }
}

/// Sizes of the pieces that module data tells of.
#[derive(Default)]
pub struct Module {
    pub text: usize,
    pub types: usize,
    /// Bytes of descriptors before the interface tables, in go1.27.
    pub descriptors: usize,
    pub type_links: usize,
    pub table_links: usize,
}

/// Starts a program of a release: build information and build ids, without module data.
pub fn program(build: Build) -> Elf {
    let mut elf = Elf::new(build.machine());
    elf.position_independent = build.has(Build::POSITION_INDEPENDENT);
    elf.section_headers = !build.has(Build::NO_SECTION_HEADERS);
    let version = format!("go1.{}", build.minor);
    elf.load(
        ".go.buildinfo",
        BUILD_INFO,
        WRITE,
        build_info(&version, b""),
    );
    elf.load(".note.go.buildid", NOTE, 0, note(b"Go\0\0", 4, b"main/id0"));
    elf.load(
        ".note.gnu.build-id",
        NOTE + 0x100,
        0,
        note(b"GNU\0", 3, &[0xab; 8]),
    );
    elf
}

fn note(owner: &[u8; 4], kind: u8, id: &[u8; 8]) -> Vec<u8> {
    let words = [owner.len() as u32, id.len() as u32, u32::from(kind)];
    let head: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    [&head, &owner[..], id].concat()
}

/// Writes the blob in its inline form.
pub fn build_info(version: &str, modules: &[u8]) -> Vec<u8> {
    let mut blob = b"\xff Go buildinf:\x08\x02".to_vec();
    blob.resize(32, 0);
    blob.push(version.len() as u8);
    blob.extend(version.as_bytes());
    blob.push(modules.len() as u8 & 0x7f);
    blob.extend(modules);
    blob
}

/// Adds module data; in a position-independent program the loader is left to fill it in.
///
/// # Source     runtime/symtab.go of go1.17 to go1.27
pub fn add_module(elf: &mut Elf, build: Build, module: &Module) {
    let length = |bytes: usize, unit: usize| (bytes / unit) as u64;
    let text_end = TEXT + module.text as u64;
    let mut words = vec![(0, PCLNTAB), (160, TEXT), (176, TEXT), (184, text_end)];
    let (types, funcdata, links) = match build.minor {
        17 => (280, None, 320),
        18 | 19 => (280, Some(304), 336),
        20..=25 => (296, Some(320), 352),
        26 => (296, Some(320), 360),
        _ => (296, Some(344), 0),
    };
    let types_size = module.types as u64;
    words.push((types, TYPES));
    words.extend(funcdata.map(|at| (at, FUNCDATA)));
    if links == 0 {
        // The interface tables follow the descriptors; offsets and sizes stand in place of addresses.
        let (descriptors, tables) = (module.descriptors as u64, module.table_links as u64);
        words.extend([(304, descriptors), (320, descriptors), (328, tables)]);
        words.push((312, TYPES + types_size));
    } else {
        words.push((types + 8, TYPES + types_size));
        let (types, tables) = (length(module.type_links, 4), length(module.table_links, 8));
        words.extend([(links, TYPE_LINKS), (links + 8, types), (links + 16, types)]);
        words.extend([
            (links + 24, TABLE_LINKS),
            (links + 32, tables),
            (links + 40, tables),
        ]);
    }
    let mut data = vec![0; 600];
    let mut relocations = Vec::new();
    for (at, word) in words {
        if elf.position_independent && word >= TEXT {
            relocations.extend(relocation(build.machine(), MODULE + at, word));
        } else {
            let at = at as usize;
            data.splice(at..at + 8, word.to_le_bytes());
        }
    }
    elf.load(".go.module", MODULE, WRITE, data);
    if elf.position_independent {
        let dynamic = [7, RELOCATIONS, 8, relocations.len() as u64, 0, 0];
        let dynamic: Vec<u8> = dynamic
            .iter()
            .flat_map(|word: &u64| word.to_le_bytes())
            .collect();
        elf.load(".rela.dyn", RELOCATIONS, 0, relocations);
        elf.load(".dynamic", DYNAMIC, WRITE, dynamic);
    }
}

/// `R_*_RELATIVE`: the loader writes `value` at `address`.
fn relocation(machine: Machine, address: u64, value: u64) -> Vec<u8> {
    let kind: u64 = match machine {
        Machine::Amd64 => 8,
        Machine::Arm64 => 1027,
    };
    [address, kind, value]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect()
}

/// Adds the text, and a function table with what its functions refer to.
pub fn add_functions(elf: &mut Elf, text: &[u8], table: &[u8], funcdata: &[u8]) {
    elf.load(".text", TEXT, EXECUTE, text);
    elf.load(".gopclntab", PCLNTAB, 0, table);
    elf.load(".go.func", FUNCDATA, 0, funcdata);
}
