//! Writes the smallest ELF file around given sections.

/// Flags of a section.
pub const WRITE: u64 = 1;
pub const EXECUTE: u64 = 4;
pub const COMPRESSED: u64 = 0x800;
/// The section is mapped at its address by a segment of its own.
const LOADED: u64 = 2;

/// Types of sections that more than their name tells apart.
const PROGBITS: u32 = 1;
const SYMTAB: u32 = 2;
const STRTAB: u32 = 3;
const DYNAMIC: u32 = 6;
const NOTE: u32 = 7;

/// Types of symbols.
pub const OBJECT: u8 = 1;
pub const FUNCTION: u8 = 2;

const HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;
const SYMBOL: usize = 24;

/// The machines `symbols` reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    Amd64,
    Arm64,
}

struct Section {
    name: String,
    kind: u32,
    flags: u64,
    address: u64,
    link: usize,
    data: Vec<u8>,
}

/// A file in the making.
pub struct Elf {
    machine: Machine,
    /// `ET_DYN`, which the loader may put anywhere.
    pub position_independent: bool,
    /// Writes the section headers, which nothing loaded depends on.
    pub section_headers: bool,
    sections: Vec<Section>,
}

impl Elf {
    pub fn new(machine: Machine) -> Self {
        Self {
            machine,
            position_independent: false,
            section_headers: true,
            sections: Vec::new(),
        }
    }

    /// Adds a section that is mapped at `address`.
    pub fn load(&mut self, name: &str, address: u64, flags: u64, data: impl Into<Vec<u8>>) {
        let kind = match name {
            ".dynamic" => DYNAMIC,
            name if name.starts_with(".note") => NOTE,
            _ => PROGBITS,
        };
        self.add(name, kind, flags | LOADED, address, data.into());
    }

    /// Adds a section that only section headers lead to.
    pub fn keep(&mut self, name: &str, flags: u64, data: impl Into<Vec<u8>>) {
        self.add(name, PROGBITS, flags, 0, data.into());
    }

    /// Adds `.symtab` and `.strtab`: name, type, address and size of each symbol.
    pub fn symbols(&mut self, symbols: &[(&str, u8, u64, u64)]) {
        let mut table = vec![0; SYMBOL];
        let mut strings = vec![0];
        for &(name, kind, address, size) in symbols {
            table.extend((strings.len() as u32).to_le_bytes());
            // Bound globally; any section but the undefined one will do.
            table.extend([0x10 | kind, 0, 1, 0]);
            table.extend(address.to_le_bytes());
            table.extend(size.to_le_bytes());
            strings.extend(name.as_bytes());
            strings.push(0);
        }
        self.add(".symtab", SYMTAB, 0, 0, table);
        // The first header is the null section's, so this is the number of the next one.
        let link = self.sections.len() + 1;
        if let Some(symtab) = self.sections.last_mut() {
            symtab.link = link;
        }
        self.add(".strtab", STRTAB, 0, 0, strings);
    }

    fn add(&mut self, name: &str, kind: u32, flags: u64, address: u64, data: Vec<u8>) {
        self.sections.push(Section {
            name: name.to_owned(),
            kind,
            flags,
            address,
            link: 0,
            data,
        });
    }

    /// Writes the file: header, program headers, sections, section headers.
    pub fn build(mut self) -> Vec<u8> {
        let mut names = vec![0];
        let mut name_at = Vec::new();
        for name in self
            .sections
            .iter()
            .map(|section| section.name.as_str())
            .chain([".shstrtab"])
        {
            name_at.push(names.len());
            names.extend(name.as_bytes());
            names.push(0);
        }
        self.add(".shstrtab", STRTAB, 0, 0, names);

        let programs: usize = self
            .sections
            .iter()
            .map(|section| programs_of(section).len())
            .sum();
        let mut body = Vec::new();
        let mut program_headers = Vec::new();
        let mut section_headers = vec![0; 64];
        for (section, name) in self.sections.iter().zip(name_at) {
            body.resize(body.len().next_multiple_of(16), 0);
            let offset = (HEADER + programs * PROGRAM_HEADER + body.len()) as u64;
            let size = section.data.len() as u64;
            body.extend(&section.data);
            for kind in programs_of(section) {
                program_headers.extend(program_header(kind, section, offset));
            }
            section_headers.extend((name as u32).to_le_bytes());
            section_headers.extend(section.kind.to_le_bytes());
            for word in [section.flags, section.address, offset, size] {
                section_headers.extend(word.to_le_bytes());
            }
            section_headers.extend((section.link as u64).to_le_bytes());
            let entry = if section.kind == SYMTAB {
                SYMBOL as u64
            } else {
                0
            };
            for word in [1, entry] {
                section_headers.extend(word.to_le_bytes());
            }
        }
        let headers_at = HEADER + programs * PROGRAM_HEADER + body.len();
        let mut file = self.header(programs as u16, headers_at as u64);
        file.extend(program_headers);
        file.extend(body);
        if self.section_headers {
            file.extend(section_headers);
        }
        file
    }

    fn header(&self, programs: u16, headers_at: u64) -> Vec<u8> {
        let mut header = b"\x7fELF\x02\x01\x01".to_vec();
        header.resize(16, 0);
        let kind = if self.position_independent { 3 } else { 2 };
        let machine = match self.machine {
            Machine::Amd64 => 62,
            Machine::Arm64 => 183,
        };
        header.extend([kind, 0, machine, 0, 1, 0, 0, 0]);
        let (headers_at, headers) = match self.section_headers {
            true => (headers_at, self.sections.len() as u16 + 1),
            false => (0, 0),
        };
        for word in [0, HEADER as u64, headers_at] {
            header.extend(word.to_le_bytes());
        }
        header.extend(0_u32.to_le_bytes());
        let last = headers.saturating_sub(1);
        for half in [
            HEADER as u16,
            PROGRAM_HEADER as u16,
            programs,
            64,
            headers,
            last,
        ] {
            header.extend(half.to_le_bytes());
        }
        header
    }
}

/// Lists the types of the program headers that a section needs.
fn programs_of(section: &Section) -> Vec<u32> {
    const PT_LOAD: u32 = 1;
    const PT_DYNAMIC: u32 = 2;
    const PT_NOTE: u32 = 4;
    let mut kinds = Vec::new();
    if section.flags & LOADED != 0 {
        kinds.push(PT_LOAD);
    }
    match section.kind {
        DYNAMIC => kinds.push(PT_DYNAMIC),
        NOTE => kinds.push(PT_NOTE),
        _ => {}
    }
    kinds
}

fn program_header(kind: u32, section: &Section, offset: u64) -> Vec<u8> {
    let readable = 4;
    let writable = if section.flags & WRITE == 0 { 0 } else { 2 };
    let executable = u32::from(section.flags & EXECUTE != 0);
    let mut header = kind.to_le_bytes().to_vec();
    header.extend((readable | writable | executable).to_le_bytes());
    let size = section.data.len() as u64;
    for word in [offset, section.address, section.address, size, size, 1] {
        header.extend(word.to_le_bytes());
    }
    header
}
