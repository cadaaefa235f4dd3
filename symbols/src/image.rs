//! The ELF file: headers, segments, sections, and memory as it would be mapped.

use std::sync::Arc;

use object::elf::{self, FileHeader64};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};
use object::{LittleEndian, SectionIndex};

use crate::budget::{Budget, Exhausted, Limits, MAX_SECTION_NAME, MAX_SECTIONS, MAX_SEGMENTS};
use crate::bytes;
use crate::error::Error;
use crate::relocations::Relocations;
use crate::scratch::Scratch;

type Header = FileHeader64<LittleEndian>;
const LE: LittleEndian = LittleEndian;

/// The machines whose Go register ABI the crate knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Machine {
    /// x86-64.
    Amd64,
    /// aarch64.
    Arm64,
}

/// A loadable segment.
///
/// # Units       addresses as linked, sizes and offsets in bytes
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// First address.
    pub vaddr: u64,
    /// Where its bytes are in the file.
    pub file_offset: u64,
    /// How many bytes the file holds.
    pub file_size: u64,
    /// How many bytes it takes in memory.
    pub mem_size: u64,
    /// Mapped executable.
    pub executable: bool,
    /// Mapped writable.
    pub writable: bool,
}

impl Segment {
    /// Says how far `address` is into the part of the segment that the file holds.
    fn within(&self, address: u64) -> Option<u64> {
        address
            .checked_sub(self.vaddr)
            .filter(|&delta| delta < self.file_size)
    }
}

/// A section header with its name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Section<'d> {
    pub(crate) name: &'d [u8],
    pub(crate) address: u64,
    pub(crate) compressed: bool,
    /// Bytes in the file; empty when the file holds none or ends before.
    pub(crate) data: &'d [u8],
}

/// A file whose headers are known to make sense.
#[derive(Debug)]
pub(crate) struct Image<'d> {
    pub(crate) data: &'d [u8],
    pub(crate) machine: Machine,
    pub(crate) pie: bool,
    pub(crate) segments: Vec<Segment>,
    pub(crate) sections: Vec<Section<'d>>,
    /// Bytes of the `PT_NOTE` segments.
    pub(crate) notes: Vec<&'d [u8]>,
    /// What all questions about this file may still cost.
    pub(crate) budget: Arc<Budget>,
    /// Where expanded sections go.
    pub(crate) scratch: &'d dyn Scratch,
    /// The file names a program that loads it.
    pub(crate) has_interpreter: bool,
    /// Bytes of the `PT_DYNAMIC` segment.
    pub(crate) dynamic: Option<&'d [u8]>,
    relocations: Relocations<'d>,
}

impl<'d> Image<'d> {
    /// Reads the headers. A damaged section table counts as none: Go can be read without.
    pub(crate) fn parse(
        data: &'d [u8],
        limits: Limits,
        scratch: &'d dyn Scratch,
    ) -> Result<Self, Error> {
        let budget = Arc::new(Budget::new(limits));
        let machine = check_identity(data)?;
        let header = Header::parse(data).map_err(|_cause| Error::Malformed {
            section: "elf header",
            offset: 0,
        })?;
        let kind = bytes::u16_at(data, 16).unwrap_or(0);
        let pie = match kind {
            kind if kind == elf::ET_EXEC.0 => false,
            kind if kind == elf::ET_DYN.0 => true,
            kind => return Err(Error::NotExecutable { kind }),
        };
        let headers = header
            .program_headers(LE, data)
            .map_err(|_cause| Error::Malformed {
                section: "program headers",
                offset: header.e_phoff(LE),
            })?;
        if headers.len() > MAX_SEGMENTS {
            return Err(Error::Limit {
                what: "program headers",
                limit: MAX_SEGMENTS as u64,
            });
        }
        let mut image = Self {
            data,
            machine,
            pie,
            segments: Vec::new(),
            sections: read_sections(header, data).unwrap_or_default(),
            notes: Vec::new(),
            budget,
            scratch,
            has_interpreter: false,
            dynamic: None,
            relocations: Relocations::default(),
        };
        for segment in headers {
            let (offset, size) = segment.file_range(LE);
            match segment.p_type(LE) {
                elf::PT_LOAD => image.segments.push(Segment {
                    vaddr: segment.p_vaddr(LE),
                    file_offset: offset,
                    file_size: size.min(segment.p_memsz(LE)),
                    mem_size: segment.p_memsz(LE),
                    executable: segment.p_flags(LE).contains(elf::PF_X),
                    writable: segment.p_flags(LE).contains(elf::PF_W),
                }),
                elf::PT_NOTE => image.notes.extend(bytes::range(data, offset, size)),
                elf::PT_INTERP => image.has_interpreter = true,
                elf::PT_DYNAMIC => image.dynamic = bytes::range(data, offset, size),
                _ => {}
            }
        }
        image.refuse_overlaps()?;
        image.relocations = Relocations::find(&image)?;
        Ok(image)
    }

    /// Tells that bytes of segments are not in the file.
    pub(crate) fn cut_short(&self) -> Option<Error> {
        let end = |segment: &Segment| segment.file_offset.saturating_add(segment.file_size);
        let end = self.segments.iter().map(end).max()?;
        let size = self.data.len() as u64;
        (size < end).then_some(Error::Truncated { size, end })
    }

    /// Refuses a file that maps its bytes again and again, for segments are searched from end to end.
    fn refuse_overlaps(&self) -> Result<(), Error> {
        let mapped = |segment: &Segment| {
            let rest = (self.data.len() as u64).saturating_sub(segment.file_offset);
            segment.file_size.min(rest)
        };
        let mapped = self.segments.iter().map(mapped);
        let limit = (self.data.len() as u64).saturating_mul(2);
        if mapped.fold(0, u64::saturating_add) > limit {
            return Err(Error::Limit {
                what: "mapped bytes",
                limit,
            });
        }
        Ok(())
    }

    /// Translates an address to an offset in the file.
    pub(crate) fn file_offset(&self, address: u64) -> Option<u64> {
        let (segment, delta) = self.locate(address)?;
        let offset = segment.file_offset.checked_add(delta)?;
        (usize::try_from(offset).ok()? < self.data.len()).then_some(offset)
    }

    /// Says whether `address` is backed by an executable part of the file.
    pub(crate) fn is_code(&self, address: u64) -> bool {
        self.locate(address)
            .is_some_and(|(segment, _)| segment.executable)
            && self.file_offset(address).is_some()
    }

    /// Says whether `address` is backed by a writable part of the file.
    pub(crate) fn is_writable(&self, address: u64) -> bool {
        self.locate(address)
            .is_some_and(|(segment, _)| segment.writable)
    }

    /// Says whether `size` bytes at `address` lie in one segment that holds data, zeroed memory included.
    pub(crate) fn is_data(&self, address: u64, size: u64) -> bool {
        self.segments.iter().any(|segment| {
            let within = address
                .checked_sub(segment.vaddr)
                .and_then(|delta| delta.checked_add(size));
            !segment.executable && within.is_some_and(|end| end <= segment.mem_size)
        })
    }

    fn locate(&self, address: u64) -> Option<(&Segment, u64)> {
        self.segments
            .iter()
            .find_map(|segment| Some((segment, segment.within(address)?)))
    }

    /// Takes all bytes from `address` to the end of its segment or of the file.
    pub(crate) fn tail(&self, address: u64) -> Option<&'d [u8]> {
        let (segment, delta) = self.locate(address)?;
        let start = usize::try_from(segment.file_offset.checked_add(delta)?).ok()?;
        let wanted = usize::try_from(segment.file_size.checked_sub(delta)?).ok()?;
        let end = start.saturating_add(wanted).min(self.data.len());
        self.data.get(start..end)
    }

    /// Takes `len` bytes at `address`.
    pub(crate) fn bytes(&self, address: u64, len: u64) -> Option<&'d [u8]> {
        self.tail(address)?.get(..usize::try_from(len).ok()?)
    }

    /// Reads a byte.
    pub(crate) fn u8(&self, address: u64) -> Option<u8> {
        bytes::u8_at(self.tail(address)?, 0)
    }

    /// Reads a `u16`.
    pub(crate) fn u16(&self, address: u64) -> Option<u16> {
        bytes::u16_at(self.tail(address)?, 0)
    }

    /// Reads a `u32`.
    pub(crate) fn u32(&self, address: u64) -> Option<u32> {
        bytes::u32_at(self.tail(address)?, 0)
    }

    /// Reads a pointer-sized word as it is after relocation, with a load bias of 0.
    pub(crate) fn word(&self, address: u64) -> Option<u64> {
        match self.relocations.addend(address) {
            Some(addend) => Some(addend),
            None => bytes::u64_at(self.tail(address)?, 0),
        }
    }

    /// Finds the first word that holds `value` after relocation and satisfies `check`.
    pub(crate) fn find_word<T>(
        &self,
        value: u64,
        mut check: impl FnMut(u64) -> Option<T>,
    ) -> Result<Option<T>, Exhausted> {
        self.budget.steps(self.relocations.len() as u64)?;
        let mut try_at = |address: u64| {
            self.budget.steps(1)?;
            Ok(check(address))
        };
        for address in self.relocations.pointing_to(value) {
            if let Some(found) = try_at(address)? {
                return Ok(Some(found));
            }
        }
        let needle = value.to_le_bytes();
        for (start, bytes) in self.loaded(|segment| !segment.executable)? {
            for (number, word) in bytes.chunks_exact(8).enumerate() {
                // A segment may claim the last addresses there are.
                let address = start.checked_add((number as u64).saturating_mul(8));
                if word == needle
                    && let Some(address) = address
                    && let Some(found) = try_at(address)?
                {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    /// Takes the loaded parts that satisfy `wanted`, with their addresses, and spends the work of searching
    /// them.
    ///
    /// Segments of real files hold different bytes of the file: all parts together are no longer than it.
    pub(crate) fn loaded(
        &self,
        wanted: impl Fn(&Segment) -> bool,
    ) -> Result<Vec<(u64, &'d [u8])>, Exhausted> {
        let mut parts = Vec::new();
        let mut left = self.data.len();
        for segment in self.segments.iter().filter(|segment| wanted(segment)) {
            let bytes = self.tail(segment.vaddr).unwrap_or_default();
            let bytes = bytes.get(..bytes.len().min(left)).unwrap_or_default();
            left = left.saturating_sub(bytes.len());
            self.budget.search(bytes.len())?;
            parts.push((segment.vaddr, bytes));
        }
        Ok(parts)
    }

    /// Finds a section by name, also under the prefix that position-independent builds put before it.
    pub(crate) fn go_section(&self, name: &str) -> Option<&Section<'d>> {
        self.sections.iter().find(|section| {
            let plain = section
                .name
                .strip_prefix(b".data.rel.ro")
                .unwrap_or(section.name);
            plain == name.as_bytes()
        })
    }
}

fn check_identity(data: &[u8]) -> Result<Machine, Error> {
    if !data.starts_with(&elf::ELFMAG) {
        return Err(Error::NotElf);
    }
    let header_end = Error::Malformed {
        section: "elf header",
        offset: data.len() as u64,
    };
    let (Some(class), Some(encoding)) = (bytes::u8_at(data, 4), bytes::u8_at(data, 5)) else {
        return Err(header_end);
    };
    if (class, encoding) != (2, 1) {
        return Err(Error::UnsupportedFormat { class, encoding });
    }
    match bytes::u16_at(data, 18) {
        None => Err(header_end),
        Some(machine) if machine == elf::EM_X86_64.0 => Ok(Machine::Amd64),
        Some(machine) if machine == elf::EM_AARCH64.0 => Ok(Machine::Arm64),
        Some(machine) => Err(Error::UnsupportedMachine { machine }),
    }
}

fn read_sections<'d>(header: &'d Header, data: &'d [u8]) -> Option<Vec<Section<'d>>> {
    let table = header
        .sections(LE, data)
        .ok()
        .filter(|table| table.len() <= MAX_SECTIONS)?;
    let names = header.shstrndx(LE, data).ok()?;
    let names = table.section(SectionIndex(names as usize)).ok()?;
    let names = names.data(LE, data).ok()?;
    let sections = table.iter().map(|section| {
        let (offset, size) = section.file_range(LE).unwrap_or((0, 0));
        Section {
            name: bytes::c_str(names, section.sh_name(LE) as usize, MAX_SECTION_NAME)
                .unwrap_or_default(),
            address: section.sh_addr(LE),
            compressed: section.sh_flags(LE).contains(elf::SHF_COMPRESSED),
            data: bytes::range(data, offset, size).unwrap_or_default(),
        }
    });
    Some(sections.collect())
}
