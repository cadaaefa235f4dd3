//! Builds the measured programs with the installed Go; Go's own cache makes a second build cheap.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use flate2::read::ZlibDecoder;
use object::{CompressedData, CompressionFormat, Object as _, ObjectSection as _};

use crate::cases::Binary;
use crate::repeated::repeated;

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

/// Writes the large program again, with `.debug_info` of twice the size.
fn doubled() -> Result<PathBuf> {
    let data = fs::read(file(Binary::Large)?)?;
    let elf = object::File::parse(data.as_slice())?;
    let section = elf.section_by_name(".debug_info");
    let info = content(section.context("no .debug_info")?.compressed_data()?)?;
    let written = repeated(&data, &info, 2)?.context("no .debug_info")?;
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
