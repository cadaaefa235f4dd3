//! Loki, Tempo and OpenBao, built once from the scratch modules in `tests/backends` into the cache.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::debian;
use crate::{
    paths::Paths,
    run::{output, say, show, skip, step},
};

/// Paths of the back ends' binaries.
pub(crate) struct Backends {
    pub(crate) prometheus: PathBuf,
    pub(crate) loki: PathBuf,
    pub(crate) tempo: PathBuf,
}

impl Backends {
    /// The variables by which tests and demo find the binaries.
    pub(crate) fn environment(&self) -> [(&'static str, &Path); 3] {
        [
            ("GOLENS_PROMETHEUS", &self.prometheus),
            ("GOLENS_LOKI", &self.loki),
            ("GOLENS_TEMPO", &self.tempo),
        ]
    }
}

struct Recipe {
    /// Folder below `tests/backends`, and the binary's name.
    name: &'static str,
    package: &'static str,
}

const LOKI: Recipe = Recipe {
    name: "loki",
    package: "github.com/grafana/loki/v3/cmd/loki",
};
const TEMPO: Recipe = Recipe {
    name: "tempo",
    package: "github.com/grafana/tempo/cmd/tempo",
};

const OPENBAO: Recipe = Recipe {
    name: "openbao",
    package: "github.com/openbao/openbao",
};

/// Gets OpenBao, which long tests of secrets need.
///
/// # Errors
/// When a download or the build fails.
pub(crate) fn openbao(paths: &Paths) -> Result<PathBuf> {
    let openbao = go_binary(paths, &OPENBAO)?;
    drop_go_caches(paths)?;
    Ok(openbao)
}

/// Gets all three. The builds run one after the other: each takes both cores and up to 2.5 GB.
///
/// # Errors
/// When a download or a build fails.
pub(crate) fn get(paths: &Paths) -> Result<Backends> {
    let prometheus = debian::get(paths, &debian::PROMETHEUS)?;
    let loki = go_binary(paths, &LOKI)?;
    let tempo = go_binary(paths, &TEMPO)?;
    drop_go_caches(paths)?;
    Ok(Backends {
        prometheus,
        loki,
        tempo,
    })
}

fn go_binary(paths: &Paths, recipe: &Recipe) -> Result<PathBuf> {
    let module = paths.root.join("tests/backends").join(recipe.name);
    let key = key(paths, &module)?;
    let binary = paths
        .backends()
        .join(format!("{}-{key}", recipe.name))
        .join(recipe.name);
    if binary.is_file() {
        skip(recipe.name, binary.display());
        return Ok(binary);
    }
    let title = format!("build {} (first time: several minutes)", recipe.name);
    step(&title, || build(paths, recipe, &module, &binary))?;
    Ok(binary)
}

/// Names a build by everything that goes into it: Go version, processor, module files.
fn key(paths: &Paths, module: &Path) -> Result<String> {
    let version = output(go(paths, module).args(["env", "GOVERSION", "GOARCH"]))
        .context("cannot ask go for its version")?;
    let mut sum = Command::new("sha256sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start sha256sum")?;
    let mut input = sum.stdin.take().context("sha256sum has no stdin")?;
    writeln!(input, "{version}")?;
    for file in ["go.mod", "go.sum", "tools.go"] {
        input.write_all(&fs::read(module.join(file)).with_context(|| format!("read {file}"))?)?;
    }
    drop(input);
    let digest = sum.wait_with_output()?.stdout;
    let text = String::from_utf8_lossy(&digest);
    text.get(..16)
        .map(str::to_owned)
        .context("sha256sum printed no digest")
}

/// Builds beside the final place and renames: an interrupted build leaves no broken binary.
fn build(paths: &Paths, recipe: &Recipe, module: &Path, binary: &Path) -> Result<()> {
    let directory = binary.parent().context("the binary has a folder")?;
    fs::create_dir_all(directory)?;
    let partial = binary.with_extension("partial");
    let mut command = go(paths, module);
    command
        .args(["build", "-v", "-trimpath", "-ldflags=-s -w", "-o"])
        .arg(&partial)
        .arg(recipe.package);
    watch(&mut command)?;
    fs::rename(&partial, binary)?;
    Ok(())
}

/// A go command with its own caches, so that they can be removed afterwards.
///
/// `GOTOOLCHAIN=auto` lets an older Go fetch the version that the module asks for.
fn go(paths: &Paths, module: &Path) -> Command {
    let mut go = Command::new("go");
    go.current_dir(module)
        .env("CGO_ENABLED", "0")
        .env("GOTOOLCHAIN", "auto")
        .env("GOFLAGS", "-modcacherw -buildvcs=false")
        .env("GOWORK", "off")
        .env("GOMODCACHE", go_caches(paths).join("mod"))
        .env("GOCACHE", go_caches(paths).join("build"));
    go
}

fn go_caches(paths: &Paths) -> PathBuf {
    paths.cache.join("go")
}

/// Runs `go build -v`, whose lines are package names, and shows how far it is every ten seconds.
fn watch(command: &mut Command) -> Result<()> {
    let shown = show(command);
    let mut child = command
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{shown}`"))?;
    let lines = BufReader::new(child.stderr.take().context("go has no stderr")?).lines();
    let packages = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&packages);
    let reader = thread::spawn(move || {
        let mut other = Vec::new();
        for line in lines.map_while(Result::ok) {
            match is_package(&line) {
                true => drop(counted.fetch_add(1, Ordering::Relaxed)),
                false => other.push(line),
            }
        }
        other
    });
    let start = Instant::now();
    let mut shown_at = start;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        thread::sleep(Duration::from_millis(100));
        if shown_at.elapsed() >= Duration::from_secs(10) {
            shown_at = Instant::now();
            say(format_args!(
                "    {:4} s, {} packages compiled",
                start.elapsed().as_secs(),
                packages.load(Ordering::Relaxed)
            ));
        }
    };
    let other = reader.join().unwrap_or_default();
    if !status.success() {
        let tail = other.split_at(other.len().saturating_sub(30)).1.join("\n");
        bail!("`{shown}` ended with {status}:\n{tail}");
    }
    Ok(())
}

/// `go build -v` names each package on a line of its own; everything else says more words.
fn is_package(line: &str) -> bool {
    !line.is_empty() && !line.contains(' ') && !line.starts_with('#')
}

fn drop_go_caches(paths: &Paths) -> Result<()> {
    let caches = go_caches(paths);
    let keep = env::var_os("GOLENS_KEEP_GO_CACHE").is_some_and(|value| value == "1");
    if keep || !caches.exists() {
        return Ok(());
    }
    step("remove the Go caches of the back ends", || {
        Ok(fs::remove_dir_all(&caches)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_lines_are_told_from_messages() {
        assert!(is_package("github.com/grafana/loki/v3/pkg/loki"));
        assert!(is_package("net/http"));
        assert!(!is_package("go: downloading example.org/x v1.0.0"));
        assert!(!is_package("# example.org/x"));
        assert!(!is_package(""));
    }
}
