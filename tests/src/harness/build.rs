//! Go programs of `tests/targets`, built once per content and toolchain.

use std::{
    collections::hash_map::DefaultHasher,
    fmt, fs,
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, OnceLock, PoisonError},
};

use super::run_dir::{target_dir, unique};

/// A Go toolchain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Toolchain {
    /// The one that is installed.
    Installed,
    /// A version such as `go1.21.13`, fetched by the installed one.
    Version(&'static str),
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Installed => f.write_str(installed_version()),
            Self::Version(version) => f.write_str(version),
        }
    }
}

/// A program to build: `httpcount`, `gcload` and `load`, or one of `services/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// Folder below `tests/targets`.
    pub package: &'static str,
    /// What builds it.
    pub toolchain: Toolchain,
    /// Without symbol table and DWARF.
    pub stripped: bool,
    /// Further arguments of `go build`.
    pub flags: &'static [&'static str],
}

impl Target {
    /// A program as the installed toolchain builds it by default.
    #[must_use]
    pub const fn new(package: &'static str) -> Self {
        Self {
            package,
            toolchain: Toolchain::Installed,
            stripped: false,
            flags: &[],
        }
    }

    /// The same, built by another toolchain.
    #[must_use]
    pub const fn with(mut self, toolchain: Toolchain) -> Self {
        self.toolchain = toolchain;
        self
    }

    /// The same without symbol table and DWARF.
    #[must_use]
    pub const fn stripped(mut self, stripped: bool) -> Self {
        self.stripped = stripped;
        self
    }

    /// Path of the binary, built if no binary of the same content is there.
    ///
    /// # Panics
    /// When Go is missing or the build fails.
    #[must_use]
    pub fn build(&self) -> PathBuf {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let module = self.module();
        let mut key = DefaultHasher::new();
        (self, self.toolchain.to_string()).hash(&mut key);
        hash_sources(&module, &mut key);
        let name = self.package.rsplit('/').next().unwrap_or(self.package);
        let folder = target_dir()
            .join("golens-tests/targets")
            .join(format!("{:016x}", key.finish()));
        let binary = folder.join(name);
        if !binary.exists() {
            fs::create_dir_all(&folder).unwrap_or_else(|e| panic!("create {folder:?}: {e}"));
            let fresh = folder.join(format!("{name}.{}.{}", std::process::id(), unique()));
            self.compile(&module, &fresh);
            fs::rename(&fresh, &binary).unwrap_or_else(|e| panic!("rename {fresh:?}: {e}"));
        }
        binary
    }

    /// The Go module the package belongs to.
    fn module(&self) -> PathBuf {
        let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("targets");
        match self.package.split_once('/') {
            Some((module, _)) => targets.join(module),
            None => targets,
        }
    }

    fn compile(&self, module: &Path, output: &Path) {
        let package = self.package.rsplit('/').next().unwrap_or(self.package);
        let mut go = Command::new("go");
        go.current_dir(module)
            .env("GOFLAGS", "")
            .args(["build", "-buildvcs=false"]);
        if let Toolchain::Version(version) = self.toolchain {
            // User settings may pin the installed toolchain or name flags an old one does not know.
            go.env("GOENV", "off").env("GOTOOLCHAIN", version);
            // The index of the module cache that newer releases write is too new for these.
            if ["go1.17", "go1.18", "go1.19"]
                .iter()
                .any(|old| version.starts_with(old))
            {
                go.env("GODEBUG", "goindex=0");
            }
        }
        if self.stripped {
            go.arg("-ldflags=-s -w");
        }
        go.args(self.flags)
            .arg("-o")
            .arg(output)
            .arg(format!("./{package}"));
        let done = go.output().unwrap_or_else(|e| panic!("run {go:?}: {e}"));
        assert!(
            done.status.success(),
            "{go:?}: {}\n{}",
            done.status,
            String::from_utf8_lossy(&done.stderr)
        );
    }
}

fn installed_version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| {
        let output = Command::new("go")
            .args(["env", "GOVERSION"])
            .output()
            .expect("run the installed go");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    })
}

/// Adds every Go source and module file below a folder, in a fixed order.
fn hash_sources(folder: &Path, key: &mut DefaultHasher) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap_or_else(|e| panic!("read {folder:?}: {e}"))
        .map(|entry| entry.expect("read a folder entry").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            // A folder with its own module file is another module.
            if !path.join("go.mod").exists() {
                hash_sources(&path, key);
            }
        } else if path
            .extension()
            .is_some_and(|e| ["go", "mod", "sum"].iter().any(|known| e == *known))
        {
            path.file_name().hash(key);
            fs::read(&path)
                .unwrap_or_else(|e| panic!("read {path:?}: {e}"))
                .hash(key);
        }
    }
}
