//! Cuts small inputs for every target out of real Go binaries: `seeds CORPUS BINARY...`.
//!
//! The binaries are linked at fixed addresses and keep their symbols and uncompressed debugging
//! information. An input keeps the bytes of the toolchain; only what points elsewhere is rewritten.

mod buildinfo;
mod code;
mod dwarf;
mod functions;
mod program;
mod types;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use symbols_fuzz::{ask, go::Build, targets::TARGETS};

use program::Program;

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let corpus = arguments.next().context("usage: seeds CORPUS BINARY...")?;
    for path in arguments {
        let data = fs::read(&path)?;
        let program = Program::read(&data).with_context(|| format!("read {}", path.display()))?;
        let name = path
            .file_name()
            .context("a binary has a name")?
            .to_string_lossy()
            .into_owned();
        write(&corpus, &name, &program).with_context(|| format!("cut {}", path.display()))?;
    }
    Ok(())
}

fn write(corpus: &Path, name: &str, program: &Program<'_>) -> Result<()> {
    let mut inputs = vec![
        ("buildinfo", buildinfo::cut(program)?),
        ("pclntab", functions::cut(program)?),
        ("types", types::cut(program)?),
        ("dwarf", dwarf::cut(program)?),
    ];
    inputs.extend(
        code::cut(program)
            .into_iter()
            .map(|input| ("prologue", input)),
    );
    // What others make of their smaller inputs are the files that this target begins with.
    for name in ["buildinfo", "dwarf", "prologue"] {
        let target = TARGETS.iter().find(|target| target.name == name);
        let input = inputs.iter().find(|(of, _)| *of == name);
        if let (Some(target), Some((_, input))) = (target, input) {
            let relocated = [&input[..1], &[Build::POSITION_INDEPENDENT], &input[2..]].concat();
            inputs.push(("elf", (target.file)(&relocated)));
        }
    }
    for (number, (target, input)) in inputs.iter().enumerate() {
        let directory = corpus.join(target);
        fs::create_dir_all(&directory)?;
        fs::write(directory.join(format!("{name}-{number}")), input)?;
        let file = TARGETS
            .iter()
            .find(|known| known.name == *target)
            .map(|known| (known.file)(input));
        let seen = ask(&file.unwrap_or_default());
        println!("{name} {target} {} bytes: {seen:?}", input.len());
    }
    Ok(())
}
