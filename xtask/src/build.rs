//! Builds the eBPF object, then the agent with that object inside.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};
use clap::Args;

use crate::{
    paths::Paths,
    run::{run as run_command, step},
    setup::Bpf,
};

/// Rust's name of the BPF target for little-endian hosts.
pub(crate) const BPF_TARGET: &str = "bpfel-unknown-none";

/// Options of `cargo xtask build`.
#[derive(Args, Clone, Copy, Default)]
pub(crate) struct Options {
    /// Optimised build.
    #[arg(long)]
    pub(crate) release: bool,
    /// One static binary that needs no library on the machine it runs on (glibc, static-pie).
    #[arg(long = "static")]
    pub(crate) linked_statically: bool,
}

/// What a build leaves behind.
pub(crate) struct Built {
    /// The `golens` binary.
    pub(crate) agent: PathBuf,
    /// The eBPF object inside it.
    pub(crate) object: PathBuf,
}

/// Builds object and agent.
///
/// # Errors
/// When a compiler fails.
pub(crate) fn run(paths: &Paths, bpf: &Bpf, options: &Options) -> Result<Built> {
    let object = step("build the eBPF object", || object(paths, bpf))?;
    let agent = step("build golens", || agent(paths, &object, options))?;
    crate::run::say(format_args!("    {}", agent.display()));
    Ok(Built { agent, object })
}

/// Builds object, agent and every test, all packages in one selection: cargo resolves features anew for
/// each selection, and would compile the dependencies once for each.
///
/// # Errors
/// When a compiler fails.
pub(crate) fn tests(paths: &Paths, bpf: &Bpf) -> Result<Built> {
    let object = step("build the eBPF object", || object(paths, bpf))?;
    step("build golens and its tests", || {
        run_command(host_cargo(paths, &object).args(["test", "--workspace", "--no-run"]))
    })?;
    // An integration test of golens makes cargo build the binary, too.
    let agent = paths.target.join("debug/golens");
    Ok(Built { agent, object })
}

/// Always optimised: the verifier accepts no other form. BTF comes from the debug info.
fn object(paths: &Paths, bpf: &Bpf) -> Result<PathBuf> {
    run_command(
        bpf_cargo(paths, bpf, "build")
            .env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", &bpf.linker)
            .env("RUSTFLAGS", "-C debuginfo=2 -C link-arg=--btf"),
    )?;
    let object = paths.bpf_target().join(BPF_TARGET).join("release/probes");
    match object.is_file() {
        true => Ok(object),
        false => bail!("the build left no {}", object.display()),
    }
}

/// A cargo command for the programs; clippy uses it as well.
pub(crate) fn bpf_cargo(paths: &Paths, bpf: &Bpf, verb: &str) -> Command {
    let mut cargo = bpf.compiler.cargo(verb);
    cargo
        .args([
            "--target",
            BPF_TARGET,
            "--release",
            "--package",
            "agent-ebpf",
        ])
        .args(["--features", "probes", "--bin", "probes"])
        .current_dir(&paths.root)
        .env("CARGO_TARGET_DIR", paths.bpf_target());
    cargo
}

fn agent(paths: &Paths, object: &Path, options: &Options) -> Result<PathBuf> {
    let mut cargo = host_cargo(paths, object);
    cargo.args(["build", "--package", "golens", "--bin", "golens"]);
    let mut directory = paths.target.clone();
    if options.linked_statically {
        let target = host_target();
        // Without `--target` the flag would also reach proc macros, which cannot be static.
        cargo
            .args(["--target", &target])
            .env("RUSTFLAGS", static_flags());
        directory.push(target);
    }
    if options.release {
        cargo.arg("--release");
    }
    run_command(&mut cargo)?;
    directory.push(match options.release {
        true => "release",
        false => "debug",
    });
    Ok(directory.join("golens"))
}

fn static_flags() -> String {
    let inherited = env::var("RUSTFLAGS").unwrap_or_default();
    format!("{inherited} -C target-feature=+crt-static")
        .trim()
        .to_owned()
}

fn host_target() -> String {
    format!("{}-unknown-linux-gnu", env::consts::ARCH)
}

/// A cargo command for the host that builds the agent with this object inside.
///
/// Every cargo call of xtask that may build the agent gets the variable: without it cargo would put
/// a stub in place of the object.
pub(crate) fn host_cargo(paths: &Paths, object: &Path) -> Command {
    let mut cargo = cargo();
    cargo
        .current_dir(&paths.root)
        .env("CARGO_TARGET_DIR", &paths.target)
        .env("AGENT_EBPF_OBJECT", object);
    cargo
}

/// The cargo that started us.
pub(crate) fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}
