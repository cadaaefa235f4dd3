//! Collects the figures of the child processes and writes them down.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::cases::{Case, Reader};

/// What one child process printed.
#[derive(Debug, Clone, Copy, Default)]
struct Sample {
    micros: u64,
    answers: u64,
    anonymous_kib: u64,
    idle_kib: u64,
    high_water_kib: u64,
    expanded_bytes: u64,
    steps: u64,
}

/// A case with its figures.
#[derive(Debug)]
pub(crate) struct Measured {
    name: String,
    reader: &'static str,
    file: PathBuf,
    file_bytes: u64,
    memory: Sample,
    micros: Vec<u64>,
}

impl Measured {
    pub(crate) fn new(case: &Case, file: PathBuf) -> Result<Self> {
        let reader = match case.reader {
            Reader::Symbols => "symbols",
            Reader::Gimli => "gimli",
            Reader::GoNm => "go-nm",
        };
        Ok(Self {
            name: case.name.clone(),
            reader,
            file_bytes: fs::metadata(&file)?.len(),
            file,
            memory: Sample::default(),
            micros: Vec::new(),
        })
    }

    /// Runs once with the memory watched.
    pub(crate) fn watch(&mut self) -> Result<()> {
        self.memory = self.run(&["--watch"])?;
        Ok(())
    }

    /// Runs once against the clock.
    pub(crate) fn time(&mut self) -> Result<()> {
        let sample = self.run(&[])?;
        if sample.answers != self.memory.answers {
            bail!(
                "{}: {} answers, then {}",
                self.name,
                self.memory.answers,
                sample.answers
            );
        }
        self.micros.push(sample.micros);
        Ok(())
    }

    fn run(&self, flags: &[&str]) -> Result<Sample> {
        let ran = Command::new(std::env::current_exe()?)
            .args(["--child", self.reader])
            .arg(&self.file)
            .args(flags)
            .output()?;
        if !ran.status.success() {
            bail!("{}: {}", self.name, String::from_utf8_lossy(&ran.stderr));
        }
        let text = String::from_utf8(ran.stdout)?;
        let numbers: Vec<u64> = text
            .split_whitespace()
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        let &[
            micros,
            answers,
            anonymous_kib,
            idle_kib,
            high_water_kib,
            expanded_bytes,
            steps,
        ] = numbers.as_slice()
        else {
            bail!("{}: the child printed {text:?}", self.name);
        };
        Ok(Sample {
            micros,
            answers,
            anonymous_kib,
            idle_kib,
            high_water_kib,
            expanded_bytes,
            steps,
        })
    }

    /// The value that `percent` of the runs do not exceed, in ms.
    fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.micros.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        let micros = sorted.get(at).copied().unwrap_or(0);
        u32::try_from(micros).map_or(f64::INFINITY, f64::from) / 1000.0
    }

    /// The figures as one JSON object.
    pub(crate) fn json(&self) -> String {
        let memory = &self.memory;
        // The memory of a started program is not this one's to read.
        let kib = |kib: u64| match self.reader {
            "go-nm" => "null".to_owned(),
            _ => kib.to_string(),
        };
        format!(
            "{{\"case\":\"{}\",\"file_bytes\":{},\"runs\":{},\"median_ms\":{:.2},\"p95_ms\":{:.2},\
             \"peak_rss_anon_kib\":{},\"idle_rss_anon_kib\":{},\"vm_hwm_kib\":{},\
             \"expanded_bytes\":{},\"steps\":{},\"answers\":{}}}",
            self.name,
            self.file_bytes,
            self.micros.len(),
            self.percentile(50),
            self.percentile(95),
            kib(memory.anonymous_kib),
            kib(memory.idle_kib),
            kib(memory.high_water_kib),
            memory.expanded_bytes,
            memory.steps,
            memory.answers,
        )
    }
}

/// Writes all figures for people.
pub(crate) fn table(measured: &[Measured]) -> String {
    let mut text = String::from(
        "case                           MB   median ms   p95 ms  RssAnon MiB  VmHWM MiB  expanded MB  answers\n",
    );
    for case in measured {
        let memory = &case.memory;
        writeln!(
            text,
            "{:<28} {:>6} {:>10.1} {:>9.1} {:>11.1} {:>10.1} {:>11} {:>9}",
            case.name,
            case.file_bytes / 1_000_000,
            case.percentile(50),
            case.percentile(95),
            mib(memory.anonymous_kib),
            mib(memory.high_water_kib),
            memory.expanded_bytes / 1_000_000,
            memory.answers,
        )
        .unwrap_or_default();
    }
    text
}

fn mib(kib: u64) -> f64 {
    u32::try_from(kib).map_or(f64::INFINITY, f64::from) / 1024.0
}
