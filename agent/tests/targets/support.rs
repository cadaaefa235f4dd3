//! Builds and starts the Go programs under `fixture/`.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use golens::{
    config::Scope,
    discovery::{Candidate, Opener, Process, Procfs, Scanner, ScopeRules, Verdict},
};

/// Builds a fixture with the Go command of `GOLENS_TEST_GO`, or `go`.
pub(crate) fn build(fixture: &str, name: &str, flags: &[&str]) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixture")
        .join(fixture);
    // Tests of one binary run side by side and must not write one another's programs.
    let output =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    let go = std::env::var_os("GOLENS_TEST_GO").unwrap_or_else(|| "go".into());
    let done = Command::new(&go)
        .arg("build")
        .args(flags)
        .arg("-o")
        .arg(&output)
        .arg(".")
        .current_dir(source)
        .env("CGO_ENABLED", "0")
        .output()
        .unwrap_or_else(|error| panic!("this test needs Go to build its target; {go:?}: {error}"));
    let messages = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "go build {fixture}: {messages}");
    output
}

/// A running fixture that answers each line with a line of JSON.
pub(crate) struct Target {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    binary: PathBuf,
}

impl Target {
    /// Starts it and waits for the line of its start.
    pub(crate) fn start(binary: PathBuf, environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(&binary)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the fixture starts");
        let mut target = Self {
            input: child.stdin.take(),
            output: BufReader::new(child.stdout.take().expect("piped")),
            child,
            binary,
        };
        target.answer();
        target
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The file it runs.
    pub(crate) fn binary(&self) -> &Path {
        &self.binary
    }

    /// Sends a command and waits for its answer, after which the target rests.
    pub(crate) fn ask(&mut self, command: &str) -> serde_json::Value {
        self.send(command);
        self.answer()
    }

    pub(crate) fn send(&mut self, command: &str) {
        let input = self.input.as_mut().expect("still open");
        writeln!(input, "{command}").expect("the target reads");
    }

    pub(crate) fn answer(&mut self) -> serde_json::Value {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the target writes");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
    }

    /// The process as discovery finds it.
    pub(crate) fn candidate(&self) -> Candidate {
        let scope = Scope {
            pids: vec![self.pid()],
            ..Scope::default()
        };
        let scanner = Scanner::new(Procfs::default(), ScopeRules::new(&scope));
        match scanner.examine(self.pid()) {
            Verdict::Candidate(found) => found,
            other => panic!("not in scope: {other:?}"),
        }
    }

    /// The process, opened.
    pub(crate) fn open(&self) -> Process {
        Opener::new(Procfs::default())
            .open(&self.candidate())
            .unwrap_or_else(|reason| panic!("refused: {reason}"))
    }

    /// Ends it and waits for its end.
    pub(crate) fn end(&mut self) {
        drop(self.input.take());
        self.child.wait().expect("it ends with its input");
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.end();
        std::fs::remove_file(&self.binary).expect("built by this test");
    }
}
