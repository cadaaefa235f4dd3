//! A Go binary as the cutters see it: bytes by address, sections and symbols.

use anyhow::{Context as _, Result, bail};
use object::{Architecture, Object as _, ObjectSection as _, ObjectSymbol as _};
use symbols::GoBinary;
use symbols_fuzz::go::Build;

/// The file, read by other code than that under test wherever an address is involved.
pub(crate) struct Program<'d> {
    file: object::File<'d>,
    /// 26 of go1.26.8.
    pub(crate) minor: u8,
    /// The whole version and the text of modules.
    pub(crate) version: String,
}

impl<'d> Program<'d> {
    pub(crate) fn read(data: &'d [u8]) -> Result<Self> {
        let version = GoBinary::parse(data)?.go_version().clone();
        let minor = u8::try_from(version.minor)?;
        Ok(Self {
            file: object::File::parse(data)?,
            minor,
            version: version.text,
        })
    }

    /// The first part of every input.
    pub(crate) fn build(&self) -> [u8; 2] {
        let arm64 = self.file.architecture() == Architecture::Aarch64;
        Build::bytes(self.minor, if arm64 { Build::ARM64 } else { 0 })
    }

    pub(crate) fn section(&self, name: &str) -> Result<&'d [u8]> {
        let section = self
            .file
            .section_by_name(name)
            .with_context(|| format!("no {name}"))?;
        Ok(section.data()?)
    }

    /// Address and size of a symbol.
    pub(crate) fn symbol(&self, name: &str) -> Result<(u64, u64)> {
        let mut symbols = self.file.symbols();
        let symbol = symbols.find(|symbol| symbol.name() == Ok(name));
        let symbol = symbol.with_context(|| format!("no symbol {name}"))?;
        Ok((symbol.address(), symbol.size()))
    }

    pub(crate) fn bytes(&self, address: u64, size: u64) -> Result<&'d [u8]> {
        for section in self.file.sections() {
            if let Ok(Some(bytes)) = section.data_range(address, size) {
                return Ok(bytes);
            }
        }
        bail!("no bytes at {address:#x}")
    }

    pub(crate) fn word(&self, address: u64) -> Result<u64> {
        word(self.bytes(address, 8)?, 0)
    }

    /// Reads a word of `runtime.firstmoduledata`.
    pub(crate) fn module(&self, at: u64) -> Result<u64> {
        self.word(self.symbol("runtime.firstmoduledata")?.0 + at)
    }
}

pub(crate) fn word(data: &[u8], at: usize) -> Result<u64> {
    let bytes = data.get(at..at + 8).context("a word ends outside")?;
    Ok(u64::from_le_bytes(bytes.try_into()?))
}

pub(crate) fn half(data: &[u8], at: usize) -> Result<usize> {
    let bytes = data.get(at..at + 4).context("a number ends outside")?;
    Ok(u32::from_le_bytes(bytes.try_into()?) as usize)
}

pub(crate) fn set(data: &mut [u8], at: usize, bytes: &[u8]) -> Result<()> {
    let place = data
        .get_mut(at..at + bytes.len())
        .context("a change ends outside")?;
    place.copy_from_slice(bytes);
    Ok(())
}
