//! The measured process: reads one file in one way, and prints what that took.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use gimli::{EndianSlice, LittleEndian};
use memmap2::Mmap;
use object::{Object as _, ObjectSection as _};
use symbols::{GoBinary, Limits};

use crate::file_scratch::FileScratch;
use crate::questions;

/// Time between two looks at the memory.
const SAMPLE: Duration = Duration::from_micros(200);

/// Runs `READER FILE [--watch]` and prints `microseconds answers anonymous_kib high_water_kib expanded steps`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (reader, path, watch) = match arguments {
        [reader, path] => (reader, path, false),
        [reader, path, watch] if watch == "--watch" => (reader, path, true),
        _ => bail!("--child takes READER FILE [--watch]"),
    };
    let before = anonymous()?;
    let sampler = watch.then(Sampler::start);
    let started = Instant::now();
    let done = match reader.as_str() {
        "symbols" => with_symbols(Path::new(path))?,
        "gimli" => with_gimli(Path::new(path))?,
        "go-nm" => with_nm(Path::new(path))?,
        other => bail!("no reader {other}"),
    };
    let micros = started.elapsed().as_micros();
    let peak = sampler.map_or(Ok(0), Sampler::stop)?;
    let (answers, expanded, steps) = done;
    let high_water = status("VmHWM")?;
    println!("{micros} {answers} {peak} {before} {high_water} {expanded} {steps}");
    Ok(())
}

fn map(path: &Path) -> Result<Mmap> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    // SAFETY: the benchmark built the file and changes it no more.
    Ok(unsafe { Mmap::map(&file) }?)
}

fn with_symbols(path: &Path) -> Result<(usize, u64, u64)> {
    let data = map(path)?;
    let directory = path
        .parent()
        .map_or_else(std::env::temp_dir, Path::to_path_buf);
    let scratch = FileScratch::new(directory);
    let binary = GoBinary::parse_with(&data, Limits::default(), &scratch)?;
    let answers = questions::ask(&binary);
    let spent = binary.spent();
    Ok((answers, spent.expanded_bytes, spent.steps))
}

/// Counts the entries of all units.
fn with_gimli(path: &Path) -> Result<(usize, u64, u64)> {
    let data = map(path)?;
    let file = object::File::parse(&*data)?;
    let section = |name: &str| -> Result<Vec<u8>> {
        let section = file
            .section_by_name(name)
            .context("no debugging information")?;
        crate::fixtures::content(section.compressed_data()?)
    };
    let (info, abbrev) = (section(".debug_info")?, section(".debug_abbrev")?);
    let info_section = gimli::DebugInfo::new(&info, LittleEndian);
    let abbrev = gimli::DebugAbbrev::from(EndianSlice::new(&abbrev, LittleEndian));
    let mut units = info_section.units();
    let (mut structs, mut steps) = (0, 0);
    while let Some(unit) = units.next()? {
        let table = unit.abbreviations(&abbrev)?;
        let mut entries = unit.entries_raw(&table, None)?;
        while !entries.is_empty() {
            steps += 1;
            let Some(entry) = entries.read_abbreviation()? else {
                continue;
            };
            structs += usize::from(entry.tag() == gimli::constants::DW_TAG_structure_type);
            entries.skip_attributes(entry.attributes())?;
        }
    }
    Ok((structs, info.len() as u64, steps))
}

fn with_nm(path: &Path) -> Result<(usize, u64, u64)> {
    let ran = Command::new("go").args(["tool", "nm"]).arg(path).output()?;
    if !ran.status.success() {
        bail!("go tool nm: {}", String::from_utf8_lossy(&ran.stderr));
    }
    Ok((
        ran.stdout.iter().filter(|&&byte| byte == b'\n').count(),
        0,
        0,
    ))
}

/// Reads a line of `/proc/self/status`, in KiB.
fn status(name: &str) -> Result<u64> {
    let text = fs::read_to_string(PathBuf::from("/proc/self/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let value = line.and_then(|line| line.trim_start_matches(':').split_whitespace().next());
    value
        .and_then(|value| value.parse().ok())
        .with_context(|| format!("no {name}"))
}

fn anonymous() -> Result<u64> {
    status("RssAnon")
}

static PEAK: AtomicU64 = AtomicU64::new(0);
static DONE: AtomicBool = AtomicBool::new(false);

/// A thread that notes the most anonymous memory it sees.
struct Sampler(thread::JoinHandle<()>);

impl Sampler {
    fn start() -> Self {
        Self(thread::spawn(|| {
            while !DONE.load(Ordering::Relaxed) {
                PEAK.fetch_max(anonymous().unwrap_or(0), Ordering::Relaxed);
                thread::sleep(SAMPLE);
            }
        }))
    }

    fn stop(self) -> Result<u64> {
        PEAK.fetch_max(anonymous()?, Ordering::Relaxed);
        DONE.store(true, Ordering::Relaxed);
        if self.0.join().is_err() {
            bail!("the sampling thread ended early");
        }
        Ok(PEAK.load(Ordering::Relaxed))
    }
}
