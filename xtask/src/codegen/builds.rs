//! Reference programs: built once by a given toolchain, kept, and read for their rows.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::run::{output, run};

/// The ways a reference program is built that give code of their own.
pub(super) const VARIANTS: [Variant; 6] = [
    Variant::new("amd64", &[("GOARCH", "amd64")], &[]),
    Variant::new("amd64-pie", &[("GOARCH", "amd64")], &["-buildmode=pie"]),
    Variant::new("amd64-v3", &[("GOARCH", "amd64"), ("GOAMD64", "v3")], &[]),
    Variant::new(
        "amd64-race",
        &[("GOARCH", "amd64"), ("CGO_ENABLED", "1")],
        &["-race"],
    ),
    Variant::new("arm64", &[("GOARCH", "arm64")], &[]),
    // From go1.21 on the code is that of the build above.
    Variant::new("arm64-pie", &[("GOARCH", "arm64")], &["-buildmode=pie"]),
];

/// One way to build.
pub(super) struct Variant {
    pub(super) name: &'static str,
    environment: &'static [(&'static str, &'static str)],
    flags: &'static [&'static str],
}

impl Variant {
    const fn new(
        name: &'static str,
        environment: &'static [(&'static str, &'static str)],
        flags: &'static [&'static str],
    ) -> Self {
        Self {
            name,
            environment,
            flags,
        }
    }

    /// The machine the program is for.
    pub(super) fn machine(&self) -> &'static str {
        self.name.split('-').next().unwrap_or(self.name)
    }
}

/// The kept programs and what is needed to build more.
pub(super) struct Builds {
    directory: PathBuf,
    reader: PathBuf,
}

impl Builds {
    pub(super) fn new(directory: PathBuf, reader: PathBuf) -> Result<Self> {
        let source = directory.join("program");
        fs::create_dir_all(&source)?;
        fs::write(source.join("go.mod"), "module reference\n\ngo 1.17\n")?;
        fs::write(source.join("main.go"), "package main\n\nfunc main() {}\n")?;
        Ok(Self { directory, reader })
    }

    /// The folder of the programs, and of whatever else is kept.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Builds the empty program with a release in one way, unless that was done before.
    pub(super) fn program(&self, release: &str, variant: &Variant) -> Result<PathBuf> {
        let path = self.path(release, variant);
        if path.is_file() {
            return Ok(path);
        }
        fs::create_dir_all(path.parent().context("a program is in a folder")?)?;
        let unfinished = path.with_extension("tmp");
        let mut build = self.go(release)?;
        build
            .envs(variant.environment.iter().copied())
            .arg("build")
            .args(variant.flags)
            .args(["-ldflags=-compressdwarf=false", "-o"])
            .arg(&unfinished)
            .arg(".")
            .current_dir(self.directory.join("program"));
        run(&mut build)?;
        fs::rename(&unfinished, &path)?;
        Ok(path)
    }

    fn path(&self, release: &str, variant: &Variant) -> PathBuf {
        let built = self.directory.join("built");
        built.join(release).join(variant.name)
    }

    /// Whether every program of a release was built before; `arm64-pie` is not built with newer releases.
    pub(super) fn has_all(&self, release: &str) -> bool {
        let needed = VARIANTS
            .iter()
            .filter(|variant| variant.name != "arm64-pie");
        let mut paths = needed.map(|variant| self.path(release, variant));
        paths.all(|path| path.is_file())
    }

    /// A go command of a release at low priority, with settings that do not depend on the user's.
    pub(super) fn go(&self, release: &str) -> Result<Command> {
        let mut go = Command::new("nice");
        go.args(["-n", "15", "go"])
            .env("GOTOOLCHAIN", release)
            .env("GOENV", "off")
            .env("GOWORK", "off")
            .env("GOFLAGS", "-p=1")
            .env("CGO_ENABLED", "0")
            .env_remove("GOEXPERIMENT")
            .env_remove("GOAMD64")
            .env("GOOS", "linux")
            // Toolchains from the proxy come without the index that go1.19 looks for.
            .env("GODEBUG", "goindex=0")
            .env("GOCACHE", self.directory.join("go-build"));
        if !is_installed(release)? {
            go.env("GOMODCACHE", self.directory.join("fetched"))
                .env("GOFLAGS", "-p=1 -modcacherw");
        }
        Ok(go)
    }

    /// Removes what was fetched and compiled for a release; its programs stay.
    pub(super) fn clean(&self) -> Result<()> {
        for name in ["go-build", "fetched"] {
            let directory = self.directory.join(name);
            if directory.is_dir() {
                // Older go commands know no flag that leaves modules writable.
                run(Command::new("chmod").arg("-R").arg("u+w").arg(&directory))?;
                fs::remove_dir_all(&directory)
                    .with_context(|| format!("remove {}", directory.display()))?;
            }
        }
        Ok(())
    }

    /// Reads the rows of a program: the runtime's, or those of some structs.
    pub(super) fn rows(&self, program: &Path, structs: &[&str]) -> Result<String> {
        output(Command::new(&self.reader).arg(program).args(structs))
    }
}

/// Whether the release is the installed one, or one that the go command has fetched for the user before.
fn is_installed(release: &str) -> Result<bool> {
    let mut go = Command::new("go");
    let values = output(
        go.env("GOTOOLCHAIN", "local")
            .args(["env", "GOVERSION", "GOMODCACHE"]),
    )?;
    let (version, modules) = values.split_once('\n').context("go env prints two lines")?;
    let fetched = format!("golang.org/toolchain@v0.0.1-{release}.linux-{}", go_arch());
    Ok(version == release || Path::new(modules).join(fetched).is_dir())
}

fn go_arch() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "amd64",
    }
}
