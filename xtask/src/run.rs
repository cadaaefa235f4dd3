//! Starting other programs, and saying so.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, bail};

/// Writes one line to stderr; stdout belongs to results such as `demo --json`.
pub(crate) fn say(line: impl fmt::Display) {
    // A closed stderr is no reason to stop a build.
    drop(writeln!(io::stderr(), "{line}"));
}

/// Runs one named step and says how long it took.
///
/// # Errors
/// Those of the step, with its name in front.
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let (bold, plain) = match io::stderr().is_terminal() {
        true => ("\x1b[1m", "\x1b[0m"),
        false => ("", ""),
    };
    say(format_args!("{bold}==> {name}{plain}"));
    let start = Instant::now();
    let result = work().with_context(|| name.to_owned())?;
    say(format_args!(
        "    done in {:.1} s",
        start.elapsed().as_secs_f64()
    ));
    Ok(result)
}

/// Says that a step has nothing to do.
pub(crate) fn skip(name: &str, found: impl fmt::Display) {
    say(format_args!("    {name}: {found}"));
}

/// Runs a command with our stderr as its stdout and stderr.
///
/// # Errors
/// When it cannot be started or does not succeed.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = show(command);
    let status = command
        .stdout(io::stderr())
        .status()
        .with_context(|| format!("cannot start `{shown}`"))?;
    match status.success() {
        true => Ok(()),
        false => bail!("`{shown}` ended with {status}"),
    }
}

/// Runs a command and returns its trimmed stdout.
///
/// # Errors
/// When it cannot be started or does not succeed; its stderr is part of the message.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let shown = show(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{shown}`"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("`{shown}` ended with {}: {}", output.status, stderr.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A command as one would type it, without its environment.
pub(crate) fn show(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Whether this process has root's user id.
pub(crate) fn is_root() -> bool {
    // SAFETY: geteuid takes no arguments, touches no memory and cannot fail.
    unsafe { libc::geteuid() == 0 }
}
