//! How fast a change is in force, and how fast a thousand clients of Apollo hear of a release. Prints one line of
//! JSON for each case; `cargo xtask bench config` files them.
//!
//! Writers and clients are this process; documents and releases are another one, this program started again with
//! [`SERVE`] in its environment: it is told on standard input what to publish, and answers on standard output.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its figures, and stops when it cannot be set up"
)]

mod clients;
mod files;
mod serve;
mod times;

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

/// Names the folder to the process that serves.
const SERVE: &str = "GOLENS_CONFIG_BENCH";

fn main() {
    if let Some(folder) = env::var_os(SERVE) {
        return serve::run(Path::new(&folder));
    }
    let folder = env::temp_dir().join(format!("golens-config-bench-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    for case in files::measure(&folder) {
        println!("{case}");
    }
    println!("{}", clients::measure(&folder));
    fs::remove_dir_all(&folder).unwrap();
}

/// The process that serves.
struct Server {
    process: Child,
    said: BufReader<ChildStdout>,
}

impl Server {
    fn start(folder: &Path, what: &str) -> Self {
        let folder: PathBuf = folder.join(what);
        fs::create_dir_all(&folder).unwrap();
        let mut process = Command::new(env::current_exe().unwrap())
            .env(SERVE, &folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(process.stdout.take().unwrap());
        Self { process, said }
    }

    fn order(&mut self, line: &str) {
        let stdin = self.process.stdin.as_mut().unwrap();
        stdin.write_all(line.as_bytes()).unwrap();
        stdin.write_all(b"\n").unwrap();
    }

    /// The next line that it says.
    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It ends with its standard input.
        drop(self.process.stdin.take());
        drop(self.process.wait());
    }
}
