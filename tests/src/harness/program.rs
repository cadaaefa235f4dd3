//! One running Go program.

use std::{
    env,
    ffi::{CString, OsStr},
    fs::{self, File},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use super::{
    cgroup::Cgroup,
    fixed_pid::Prepared,
    http,
    process::{kill, open_procs, reap, spawn, wait_exit},
    run_dir::{RunDir, unique},
    text::listening,
    wait::wait_for,
};

/// How a program is started.
#[derive(Debug)]
pub struct Spawn<'a> {
    binary: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    cgroup: Option<&'a Cgroup>,
}

impl<'a> Spawn<'a> {
    /// A program without arguments, with no service name from this process's environment.
    #[must_use]
    pub fn new(binary: impl Into<PathBuf>) -> Self {
        Self {
            binary: binary.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            cgroup: None,
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: Into<String>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Names the service.
    #[must_use]
    pub fn service(self, name: &str) -> Self {
        self.env("OTEL_SERVICE_NAME", name)
    }

    /// Puts it into a group before its first instruction.
    #[must_use]
    pub fn in_cgroup(mut self, cgroup: &'a Cgroup) -> Self {
        self.cgroup = Some(cgroup);
        self
    }

    /// Starts it and waits until it says where it listens.
    ///
    /// # Panics
    /// When it cannot be started or does not listen.
    #[must_use]
    pub fn start(self, run: &RunDir) -> Program {
        let outputs = Outputs::create(run, &self.binary);
        let mut command = Command::new(&self.binary);
        command
            .args(&self.arguments)
            .env_remove("OTEL_SERVICE_NAME")
            .env_remove("OTEL_RESOURCE_ATTRIBUTES")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(outputs.stdout_file())
            .stderr(outputs.stderr_file());
        outputs.into_program(spawn(command, self.cgroup))
    }

    /// Starts it under a process id that is free, and waits until it listens.
    ///
    /// # Panics
    /// When the id is taken, or as [`Self::start`].
    #[must_use]
    pub fn start_as(self, pid: u32, run: &RunDir) -> Program {
        let cgroup = self.cgroup.expect("a program with a fixed id has a cgroup");
        let outputs = Outputs::create(run, &self.binary);
        let arguments = [self.binary.as_os_str().to_owned()]
            .into_iter()
            .chain(self.arguments.iter().map(Into::into))
            .map(|argument| c_string(&argument))
            .collect();
        let set: Vec<CString> = self
            .environment
            .iter()
            .map(|(name, value)| c_string(OsStr::new(&format!("{name}={value}"))))
            .collect();
        let inherited = env::vars_os()
            .filter(|(name, _)| !self.environment.iter().any(|(set, _)| name == set.as_str()))
            .map(|(name, value)| {
                let mut variable = name;
                variable.push("=");
                variable.push(value);
                c_string(&variable)
            });
        let environment = inherited.chain(set).collect();
        Prepared::new(
            arguments,
            environment,
            open_procs(cgroup),
            outputs.stdout_file(),
            outputs.stderr_file(),
        )
        .start(pid)
        .unwrap_or_else(|e| panic!("start {:?} as pid {pid}: {e}", self.binary));
        outputs.into_program(pid)
    }
}

fn c_string(text: &OsStr) -> CString {
    CString::new(text.as_bytes()).expect("text without a zero byte")
}

/// Files a program prints to.
struct Outputs {
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Outputs {
    fn create(run: &RunDir, binary: &Path) -> Self {
        let name = binary.file_name().unwrap_or_default().to_string_lossy();
        let stem = format!("{name}-{}", unique());
        Self {
            stdout: run.path().join(format!("{stem}.out")),
            stderr: run.path().join(format!("{stem}.err")),
        }
    }

    fn stdout_file(&self) -> File {
        append(&self.stdout)
    }

    fn stderr_file(&self) -> File {
        append(&self.stderr)
    }

    fn into_program(self, pid: u32) -> Program {
        let mut program = Program {
            pid,
            address: String::new(),
            stdout: self.stdout,
            stderr: self.stderr,
            ended: None,
        };
        program.address = wait_for("a program to listen", Duration::from_secs(20), || {
            assert!(
                program.exited().is_none(),
                "the program ended: {:?}\n{}",
                program.ended,
                program.stderr()
            );
            listening(&program.stderr())
        });
        program
    }
}

fn append(path: &Path) -> File {
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .unwrap_or_else(|e| panic!("create {path:?}: {e}"))
}

/// A program that listens; killed when dropped.
#[derive(Debug)]
pub struct Program {
    pid: u32,
    address: String,
    stdout: PathBuf,
    stderr: PathBuf,
    ended: Option<ExitStatus>,
}

impl Program {
    /// Process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Where it listens: `127.0.0.1:4711`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Asks it for a path.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn get(&self, path: &str) -> http::Response {
        http::get(&self.address, path)
            .unwrap_or_else(|| panic!("no answer to {path} from pid {}", self.pid))
    }

    /// What it has written to stdout so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        read(&self.stdout)
    }

    /// What it has written to stderr so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        read(&self.stderr)
    }

    /// Its exit status, when it has ended.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = reap(self.pid);
        }
        self.ended
    }

    /// Ends it with SIGTERM.
    ///
    /// # Panics
    /// When it does not end, or not with 0.
    pub fn stop(mut self) {
        assert!(self.exited().is_none(), "pid {} ended early", self.pid);
        kill(self.pid, libc::SIGTERM);
        let status = wait_exit("a program", self.pid, Duration::from_secs(10));
        self.ended = Some(status);
        assert!(status.success(), "{status}: {}", self.stderr());
    }

    /// Kills it; its id is free afterwards.
    ///
    /// # Panics
    /// When it does not end.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if self.exited().is_none() {
            kill(self.pid, libc::SIGKILL);
            self.ended = Some(wait_exit("a program", self.pid, Duration::from_secs(10)));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.end();
    }
}

fn read(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
