//! A Go program that answers each line of its input with a line.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// A running program; it ends with its input, at the latest when this is dropped.
#[derive(Debug)]
pub struct Dialogue {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Dialogue {
    /// Starts it and waits for the line of its start.
    ///
    /// # Panics
    /// When it cannot be started or says nothing.
    #[must_use]
    pub fn start(binary: &Path, environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(binary)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("start {binary:?}: {error}"));
        let output = child.stdout.take().expect("piped");
        let mut dialogue = Self {
            input: child.stdin.take(),
            output: BufReader::new(output),
            child,
        };
        assert_eq!(dialogue.answer(), "ready", "{binary:?}");
        dialogue
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a line and waits for the answer.
    ///
    /// # Panics
    /// When the program has ended.
    pub fn ask(&mut self, line: &str) -> String {
        self.send(line);
        self.answer()
    }

    /// Sends a line, in one piece: programs may take what one read gives as a line.
    ///
    /// # Panics
    /// When the program has ended.
    pub fn send(&mut self, line: &str) {
        let input = self.input.as_mut().expect("still open");
        let line = format!("{line}\n");
        input.write_all(line.as_bytes()).expect("the program reads");
    }

    /// Waits for the next line.
    ///
    /// # Panics
    /// When the program has ended.
    pub fn answer(&mut self) -> String {
        let mut line = String::new();
        self.output
            .read_line(&mut line)
            .expect("the program writes");
        assert!(line.ends_with('\n'), "the program ended: {line:?}");
        line.trim_end().to_owned()
    }
}

impl Drop for Dialogue {
    fn drop(&mut self) {
        drop(self.input.take());
        self.child.wait().expect("it ends with its input");
    }
}
