//! What verbs print, how they fail, and the exit status of each.

use std::{
    fmt,
    io::{self, BufWriter, Write},
    path::PathBuf,
    process::ExitCode,
};

use crate::{config::ConfigError, discovery::RefusedReason};

/// Exit status for a command that failed or found a problem.
pub(super) const FAILED: u8 = 1;
/// Exit status for wrong use of the command line.
const USAGE: u8 = 2;

/// Why a verb ended without doing its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CliError {
    /// Whoever read the output has gone, or the disk is full.
    #[error("cannot write the output")]
    Output {
        /// The kernel's answer.
        #[from]
        source: io::Error,
    },
    /// The async runtime did not start.
    #[error("cannot start the async runtime")]
    Runtime {
        /// The kernel's answer.
        source: io::Error,
    },
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Somebody else takes the messages already.
    #[error("cannot start logging")]
    Logging {
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A value does not print as JSON or YAML.
    #[error("cannot print as {format}")]
    Encode {
        /// `JSON` or `YAML`.
        format: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The goroutines of a process cannot be read.
    #[error("cannot read the goroutines of process {pid}")]
    Goroutines {
        /// The process.
        pid: u32,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The binary does not say where its goroutines are.
    #[error(
        "the binary of process {pid} does not say where its goroutines are: {}",
        missing.join("; ")
    )]
    GoroutinesUnknown {
        /// The process.
        pid: u32,
        /// What is not known, and why.
        missing: Vec<String>,
    },
    /// /proc cannot be listed.
    #[error("cannot list the processes of this machine")]
    Scan {
        /// The kernel's answer.
        source: io::Error,
    },
    /// The process that was asked for cannot be looked at.
    #[error("process {pid}: {reason}")]
    Process {
        /// The process.
        pid: u32,
        /// Why.
        reason: RefusedReason,
    },
    /// The file that was asked for is no Go program golens can read.
    #[error("cannot read {name} as a Go program")]
    Binary {
        /// Path or pid, as given.
        name: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What is to be traced is not known well enough.
    #[error("process {pid}: {what} cannot be traced: {}", missing.join("; "))]
    TraceUnknown {
        /// The process.
        pid: u32,
        /// The feature.
        what: &'static str,
        /// What is missing, and why.
        missing: Vec<String>,
    },
    /// Probes could not be loaded or attached.
    #[error("cannot attach probes to process {pid}")]
    Probe {
        /// The process.
        pid: u32,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A running agent answered with an error or something unexpected.
    #[error("the agent at {url} gave no usable answer: {detail}")]
    Agent {
        /// What was asked.
        url: String,
        /// What came back.
        detail: String,
    },
    /// The registry did not start.
    #[error("the registry cannot start")]
    Registry {
        /// Why.
        source: registry::standalone::StartError,
    },
    /// A token could not be made, listed or ended.
    #[error("the registry's tokens were not changed")]
    Token {
        /// Why.
        source: registry::RegistryError,
    },
    /// The command line and what comes with it leave open what is meant.
    #[error("{detail}")]
    Unclear {
        /// What to do.
        detail: String,
    },
    /// Nothing says which keys to use.
    #[error("no keys to seal or open values with: {detail}")]
    NoKeys {
        /// What is missing.
        detail: String,
    },
    /// A value was not sealed or opened.
    #[error(transparent)]
    Secret(#[from] config::secrets::SealedFileError),
    /// The agent could not start or had to stop.
    #[error("golens cannot run")]
    Node {
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl CliError {
    /// A word from a fixed set, for metrics and log fields.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Output { .. } => "output",
            Self::Runtime { .. } => "runtime",
            Self::Config(error) => error.error_type(),
            Self::Logging { .. } => "logging",
            Self::Encode { .. } => "encode",
            Self::Read { .. } => "read",
            Self::Write { .. } => "write",
            Self::Goroutines { .. } => "goroutines",
            Self::GoroutinesUnknown { .. } => "goroutines_unknown",
            Self::Scan { .. } => "scan",
            Self::Process { reason, .. } => reason.error_type(),
            Self::Binary { .. } => "binary",
            Self::TraceUnknown { .. } => "trace_unknown",
            Self::Probe { .. } => "probe",
            Self::Agent { .. } => "agent",
            Self::Registry { .. } => "registry",
            Self::Token { .. } => "token",
            Self::Unclear { .. } => "unclear",
            Self::NoKeys { .. } => "no_keys",
            Self::Secret(_) => "secret",
            Self::Node { .. } => "node",
        }
    }
}

/// Standard output, or a buffer in tests.
pub struct Output {
    writer: Box<dyn Write + Send>,
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").finish_non_exhaustive()
    }
}

impl Output {
    /// Buffered standard output.
    #[must_use]
    pub fn stdout() -> Self {
        Self::to(BufWriter::new(io::stdout()))
    }

    /// Any other destination.
    #[must_use]
    pub fn to(writer: impl Write + Send + 'static) -> Self {
        Self {
            writer: Box::new(writer),
        }
    }

    /// Prints one line.
    ///
    /// # Errors
    /// When the destination does not take it.
    pub fn line(&mut self, line: impl fmt::Display) -> Result<(), CliError> {
        writeln!(self.writer, "{line}")?;
        Ok(())
    }

    /// Prints a text as it is.
    ///
    /// # Errors
    /// When the destination does not take it.
    pub fn text(&mut self, text: &str) -> Result<(), CliError> {
        self.writer.write_all(text.as_bytes())?;
        Ok(())
    }

    /// Prints a value as indented JSON.
    ///
    /// # Errors
    /// When it does not encode or the destination does not take it.
    pub fn json(&mut self, value: &impl serde::Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string_pretty(value).map_err(|source| CliError::Encode {
            format: "JSON",
            source: Box::new(source),
        })?;
        self.line(text)
    }

    /// Prints rows below a heading, each column as wide as its longest cell.
    ///
    /// # Errors
    /// When the destination does not take it.
    pub fn table<const N: usize>(
        &mut self,
        heading: [&str; N],
        rows: &[[String; N]],
    ) -> Result<(), CliError> {
        let mut widths = heading.map(str::len);
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        self.row(&heading.map(str::to_owned), &widths)?;
        rows.iter().try_for_each(|row| self.row(row, &widths))
    }

    fn row(&mut self, cells: &[String], widths: &[usize]) -> Result<(), CliError> {
        let padded: Vec<String> = cells
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        self.line(padded.join("  ").trim_end())
    }

    /// Hands everything on to the destination.
    ///
    /// # Errors
    /// When the destination does not take it.
    pub fn flush(&mut self) -> Result<(), CliError> {
        self.writer.flush()?;
        Ok(())
    }
}

/// Prints help, version or a usage error, and tells its exit status.
pub(super) fn usage(error: &clap::Error) -> ExitCode {
    let printed = error.print();
    match (error.exit_code(), printed) {
        (0, _) => ExitCode::SUCCESS,
        (_, Ok(()) | Err(_)) => ExitCode::from(USAGE),
    }
}

/// Prints an error with its causes, and tells the exit status.
///
/// A reader that has seen enough (`golens ps | head`) is no error.
pub(super) fn failure(error: &CliError) -> ExitCode {
    if let CliError::Output { source } = error
        && source.kind() == io::ErrorKind::BrokenPipe
    {
        return ExitCode::SUCCESS;
    }
    let mut text = format!("golens: {error}");
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    // Nothing is left to tell when stderr is gone too.
    drop(writeln!(io::stderr(), "{text}"));
    ExitCode::from(FAILED)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_left_is_success() {
        let error = Output::to(Gone).line("hello").expect_err("nobody reads");
        assert_eq!(error.error_type(), "output");
        assert_eq!(failure(&error), ExitCode::SUCCESS);
    }
}
