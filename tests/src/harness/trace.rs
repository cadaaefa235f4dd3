//! `golens trace` on one program.

use std::{
    env,
    fs::{self, File},
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use serde::de::DeserializeOwned;

use super::{
    process::{kill, reap, spawn, wait_exit},
    program::Program,
    run_dir::{RunDir, unique},
    wait::wait_for,
};

/// How long it may take to attach, and to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A trace under way that prints JSON; killed when dropped.
#[derive(Debug)]
pub struct Trace {
    pid: u32,
    output: PathBuf,
    ended: bool,
}

impl Trace {
    /// Starts `golens trace WHAT` and waits for its first line: its probes are attached then.
    ///
    /// # Panics
    /// Without `GOLENS_BIN`, or when it prints nothing.
    #[must_use]
    pub fn start(what: &str, program: &Program, options: &[&str], run: &RunDir) -> Self {
        let binary = env::var_os("GOLENS_BIN")
            .expect("GOLENS_BIN names no agent; run these tests with `cargo xtask test`");
        let output = run.path().join(format!("trace-{}", unique()));
        let file = File::create(&output).unwrap_or_else(|e| panic!("create {output:?}: {e}"));
        let mut command = Command::new(binary);
        command
            .args(["trace", what, &program.pid().to_string(), "--json"])
            .args(options)
            .stdin(Stdio::null())
            .stdout(file);
        let mut trace = Self {
            pid: spawn(command, None),
            output,
            ended: false,
        };
        wait_for("the first line of a trace", PATIENCE, || {
            if trace.text().contains('\n') {
                return Some(());
            }
            trace.ended = reap(trace.pid).is_some();
            assert!(!trace.ended, "the trace ended before its first line");
            None
        });
        trace
    }

    /// Interrupts it and answers the last line.
    ///
    /// # Panics
    /// When it does not end, or fails.
    #[must_use]
    pub fn stop<T: DeserializeOwned>(self) -> T {
        kill(self.pid, libc::SIGINT);
        self.end()
    }

    /// Waits for its end and answers the last line.
    ///
    /// # Panics
    /// When it does not end, or fails.
    #[must_use]
    pub fn end<T: DeserializeOwned>(mut self) -> T {
        let status = wait_exit("a trace", self.pid, PATIENCE);
        self.ended = true;
        let text = self.text();
        assert!(status.success(), "{status}: {text}");
        let last = text.lines().last().expect("at least one line");
        serde_json::from_str(last).unwrap_or_else(|e| panic!("{last}: {e}"))
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.output).unwrap_or_default()
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        if !self.ended && reap(self.pid).is_none() {
            kill(self.pid, libc::SIGKILL);
            let _status = wait_exit("a trace", self.pid, PATIENCE);
        }
    }
}
