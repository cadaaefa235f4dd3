//! Builds the measured programs with the installed Go; Go's own cache makes a second build cheap.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use object::{CompressedData, CompressionFormat, Object as _, ObjectSection as _};

use crate::cases::Binary;

const DIRECTORY: &str = env!("CARGO_MANIFEST_DIR");

/// Answers the path of a measured program, built when the sources changed.
pub(crate) fn file(binary: Binary) -> Result<PathBuf> {
    match binary {
        Binary::Server => build("server", &[]),
        Binary::ServerStripped => build("server-stripped", &["-ldflags=-s -w"]),
        Binary::Large => build("large", &[]),
        Binary::LargeDoubled => doubled(),
        Binary::LargePlain => build("large-plain", &["-ldflags=-compressdwarf=false"]),
        Binary::LargePie => build("large-pie", &["-buildmode=pie"]),
        Binary::LargeStripped => build("large-stripped", &["-ldflags=-s -w"]),
        Binary::LargePieStripped => {
            build("large-pie-stripped", &["-buildmode=pie", "-ldflags=-s -w"])
        }
    }
}

fn output(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{name}"))
}

fn build(name: &str, flags: &[&str]) -> Result<PathBuf> {
    let path = output(name);
    let (module, package) = if name.starts_with("large") {
        ("benches/large", ".")
    } else {
        ("tests/fixture", "./server")
    };
    eprintln!("building {name}");
    let ran = Command::new("go")
        .current_dir(Path::new(DIRECTORY).join(module))
        .args(["build", "-o"])
        .arg(&path)
        .args(flags)
        .arg(package)
        .env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "-buildvcs=false")
        .env("GOENV", "off")
        .env("CGO_ENABLED", "0")
        .output()
        .context("go is not installed")?;
    if !ran.status.success() {
        bail!("go build: {}", String::from_utf8_lossy(&ran.stderr));
    }
    Ok(path)
}

/// Writes the large program again, with `.debug_info` of twice the size: all its units, two times.
///
/// References between units are offsets from the section's start, so those of the copy name the original.
fn doubled() -> Result<PathBuf> {
    let data = fs::read(file(Binary::Large)?)?;
    let elf = object::File::parse(data.as_slice())?;
    let section = elf
        .section_by_name(".debug_info")
        .context("no .debug_info")?;
    let info = content(section.compressed_data()?)?;
    let number = section.index().0;
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&info)?;
    encoder.write_all(&info)?;
    let size = 2 * info.len() as u64;
    let mut compressed = Vec::new();
    for word in [1, size, 1] {
        compressed.extend(u64::to_le_bytes(word));
    }
    compressed.extend(encoder.finish()?);
    let headers = u64::from_le_bytes(data.get(0x28..0x30).context("short file")?.try_into()?);
    let header = usize::try_from(headers)? + number * 64;
    let mut written = data.clone();
    let place = written
        .get_mut(header + 24..header + 40)
        .context("no section header")?;
    place[..8].copy_from_slice(&(data.len() as u64).to_le_bytes());
    place[8..].copy_from_slice(&(compressed.len() as u64).to_le_bytes());
    written.extend(compressed);
    let path = output("large-doubled");
    fs::write(&path, written)?;
    Ok(path)
}

/// Expands a section in memory.
pub(crate) fn content(section: CompressedData<'_>) -> Result<Vec<u8>> {
    match section.format {
        CompressionFormat::None => Ok(section.data.to_vec()),
        CompressionFormat::Zlib => {
            let mut expanded = Vec::new();
            ZlibDecoder::new(section.data).read_to_end(&mut expanded)?;
            Ok(expanded)
        }
        other => bail!("compressed as {other:?}"),
    }
}
