//! Installs what building and testing need; every step is skipped when its result is there.

mod apt;
mod backends;
mod bpf_linker;
mod cargo_fuzz;
mod debian;
mod go;
mod nightly;

use std::{env::consts::ARCH, path::PathBuf, process::Command};

use anyhow::{Result, bail};
use clap::Args;

use crate::{paths::Paths, run::skip};

pub(crate) use apt::{CLIPPY_DRIVER, tool};
pub(crate) use backends::{Backends, openbao};
pub(crate) use cargo_fuzz::CargoFuzz;

/// Options of `cargo xtask setup`.
#[derive(Args, Default)]
pub(crate) struct Options {
    /// Also gets Prometheus, Loki and Tempo (first time: about 13 minutes on two cores).
    #[arg(long)]
    pub(crate) backends: bool,
}

/// The compiler of the eBPF object and its linker.
pub(crate) struct Bpf {
    pub(crate) compiler: Compiler,
    /// Path of bpf-linker; its LLVM is the compiler's.
    pub(crate) linker: PathBuf,
}

/// Where a `core` for the BPF target comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compiler {
    /// Debian's rustc-web with its ready-made `core`.
    Debian,
    /// A rustup nightly with rust-src: `core` is compiled along, `-Z build-std=core`.
    Nightly,
}

impl Compiler {
    /// A cargo command that uses this compiler, without flags meant for the host.
    ///
    /// `LD_LIBRARY_PATH` goes too: `cargo run` points it at rustup's libraries, which are not this compiler's.
    pub(crate) fn cargo(self, verb: &str) -> Command {
        let mut cargo = match self {
            Self::Debian => {
                let mut cargo = crate::build::cargo();
                cargo.env("RUSTC", apt::RUSTC).env("RUSTC_BOOTSTRAP", "1");
                cargo
            }
            Self::Nightly => nightly::cargo(),
        };
        cargo
            .arg(verb)
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env_remove("CARGO_BUILD_TARGET")
            .env_remove("LD_LIBRARY_PATH");
        if self == Self::Nightly {
            cargo.args(["-Z", "build-std=core"]);
        }
        cargo
    }
}

/// What setup has found or made.
pub(crate) struct Ready {
    pub(crate) bpf: Bpf,
    /// Present when the back ends were asked for.
    pub(crate) backends: Option<Backends>,
}

/// Sets everything up.
///
/// # Errors
/// When a step fails; the message says what to install or run.
pub(crate) fn run(paths: &Paths, options: &Options) -> Result<Ready> {
    go::check()?;
    let bpf = bpf(paths)?;
    let backends = match options.backends {
        true => Some(backends::get(paths)?),
        false => None,
    };
    Ok(Ready { bpf, backends })
}

/// The etcd that the registry's tests share what they have through.
///
/// # Errors
/// When apt does not offer it or the download fails.
pub(crate) fn etcd(paths: &Paths) -> Result<PathBuf> {
    debian::get(paths, &debian::ETCD)
}

/// The eBPF compiler and linker, installed when they are missing.
///
/// # Errors
/// On processors golens does not run on; when an installation fails.
pub(crate) fn bpf(paths: &Paths) -> Result<Bpf> {
    if ARCH != "x86_64" {
        bail!("golens runs on x86_64, not on {ARCH}");
    }
    let compiler = match apt::is_installed()? {
        true => {
            skip("eBPF compiler", apt::version()?);
            Compiler::Debian
        }
        false => match apt::install()? {
            apt::Outcome::Installed => Compiler::Debian,
            apt::Outcome::NotOffered(why) => {
                nightly::check(&why)?;
                Compiler::Nightly
            }
        },
    };
    let linker = bpf_linker::get(paths, compiler)?;
    Ok(Bpf { compiler, linker })
}
