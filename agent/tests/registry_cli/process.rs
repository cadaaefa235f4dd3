//! A running `golens registry serve`.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
};

/// The command under test.
pub(crate) const GOLENS: &str = env!("CARGO_BIN_EXE_golens");

/// A folder that goes with its owner.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("golens-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// A registry; killed with its owner.
pub(crate) struct Serve {
    child: Child,
    messages: BufReader<ChildStderr>,
    /// What was printed so far.
    printed: String,
}

impl Serve {
    /// Starts one on `data`; `arguments` say where it listens.
    pub(crate) fn start(data: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(GOLENS)
            .args(["registry", "serve", "--data"])
            .arg(data)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let messages = BufReader::new(child.stderr.take().unwrap());
        Self {
            child,
            messages,
            printed: String::new(),
        }
    }

    /// Waits until it tells an address that begins with `scheme`, and returns that.
    pub(crate) fn address(&mut self, scheme: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.messages.read_line(&mut line).unwrap();
            assert!(read > 0, "it ended: {}", self.printed);
            self.printed.push_str(&line);
            let told = line.split_once("address=").map(|(_, rest)| rest.trim());
            if let Some(address) = told.filter(|address| address.starts_with(scheme)) {
                return address.to_owned();
            }
        }
    }

    /// Sends a signal, such as `TERM`, and waits for the end.
    pub(crate) fn end(mut self, signal: &str) -> ExitStatus {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill")
            .args(["-s", signal, &pid])
            .status()
            .unwrap();
        assert!(sent.success());
        self.child.wait().unwrap()
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
