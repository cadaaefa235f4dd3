//! The load client.

use std::{
    collections::BTreeMap,
    io::Read,
    process::{Child, Command, Stdio},
};

use serde::Deserialize;

use super::{build::Target, process::kill};

/// Load to put on a program.
#[derive(Clone, Debug, Default)]
pub struct Load {
    urls: Vec<String>,
    arguments: Vec<String>,
}

/// What came back.
#[derive(Clone, Debug, Deserialize)]
pub struct LoadSummary {
    /// Requests sent.
    pub requests: u64,
    /// Answers by status code; `error` for those without an answer.
    pub statuses: BTreeMap<String, u64>,
    /// Wall time.
    pub duration_seconds: f64,
    /// Trace ids of the first 1000 requests.
    pub trace_ids: Vec<String>,
}

impl LoadSummary {
    /// Asserts that every request was answered with this status.
    ///
    /// # Panics
    /// When one was not.
    pub fn assert_all(&self, status: &str) {
        assert_eq!(
            self.statuses.get(status).copied().unwrap_or(0),
            self.requests,
            "{:?}",
            self.statuses
        );
    }
}

impl Load {
    /// Requests for `path` of a server; `{n}` in it counts from 1.
    #[must_use]
    pub fn on(address: &str, path: &str) -> Self {
        Self::default().and(address, path)
    }

    /// Alternates with another path.
    #[must_use]
    pub fn and(mut self, address: &str, path: &str) -> Self {
        self.urls.push(format!("http://{address}{path}"));
        self
    }

    /// How many requests in total.
    #[must_use]
    pub fn requests(self, requests: u64) -> Self {
        self.argument("-requests", &requests.to_string())
    }

    /// Over how many connections.
    #[must_use]
    pub fn connections(self, connections: u32) -> Self {
        self.argument("-connections", &connections.to_string())
    }

    /// Requests per second.
    #[must_use]
    pub fn rate(self, rate: u32) -> Self {
        self.argument("-rate", &rate.to_string())
    }

    /// Also sends the trace id in a header that only the target reads.
    #[must_use]
    pub fn tell_trace(mut self) -> Self {
        self.arguments.push("-trace-header-field".to_owned());
        self
    }

    fn argument(mut self, name: &str, value: &str) -> Self {
        self.arguments.extend([name.to_owned(), value.to_owned()]);
        self
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When the client fails.
    #[must_use]
    pub fn run(&self) -> LoadSummary {
        self.start().finish()
    }

    /// Sends one request and returns its trace id.
    ///
    /// # Panics
    /// When it is not answered with 200.
    #[must_use]
    pub fn run_one(self) -> String {
        let summary = self.requests(1).run();
        summary.assert_all("200");
        summary.trace_ids.concat()
    }

    /// Starts it without a limit other than its own.
    ///
    /// # Panics
    /// When the client cannot be started.
    #[must_use]
    pub fn start(&self) -> RunningLoad {
        let mut command = Command::new(Target::new("load").build());
        command.arg("-json").args(&self.arguments);
        for url in &self.urls {
            command.args(["-url", url]);
        }
        // Requests cut off by a test on purpose are in the summary; their messages are noise.
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("start {command:?}: {e}"));
        RunningLoad(Some(child))
    }
}

/// A load client at work; killed when dropped.
#[derive(Debug)]
pub struct RunningLoad(Option<Child>);

impl RunningLoad {
    /// Lets it finish the requests it has begun and stops it.
    ///
    /// # Panics
    /// As [`Self::finish`].
    #[must_use]
    pub fn stop(self) -> LoadSummary {
        if let Some(child) = &self.0 {
            kill(child.id(), libc::SIGTERM);
        }
        self.finish()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    pub fn finish(mut self) -> LoadSummary {
        let mut child = self.0.take().expect("a load client ends once");
        let mut output = String::new();
        child
            .stdout
            .take()
            .expect("stdout is a pipe")
            .read_to_string(&mut output)
            .expect("read the summary");
        let status = child.wait().expect("wait for the load client");
        assert!(status.success(), "load: {status}");
        serde_json::from_str(&output).unwrap_or_else(|e| panic!("{e} in {output}"))
    }
}

impl Drop for RunningLoad {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            child.kill().expect("kill the load client");
            child.wait().expect("wait for the load client");
        }
    }
}
