//! Go, which builds the services of the demo, the test targets and the back ends.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::{output, skip};

/// From this version on, the go command fetches the newer toolchain that a module asks for.
const OLDEST: (u32, u32) = (1, 21);

/// Checks that a usable go command is there.
///
/// # Errors
/// When it is missing or too old.
pub(crate) fn check() -> Result<()> {
    let version = output(Command::new("go").args(["env", "GOVERSION"])).context(
        "no go command: install Go 1.21 or newer (https://go.dev/dl) and put it on PATH",
    )?;
    match parse(&version) {
        Some(found) if found >= OLDEST => {
            skip("go", &version);
            Ok(())
        }
        _ => bail!("go is {version}, but 1.21 or newer is needed (https://go.dev/dl)"),
    }
}

/// `go1.26.8`, `go1.27rc1` or `devel go1.28-0123abc` as (1, 26) and so on.
fn parse(version: &str) -> Option<(u32, u32)> {
    let (_, numbers) = version.split_once("go")?;
    let mut parts = numbers.split(|letter: char| !letter.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(parse("go1.26.8"), Some((1, 26)));
        assert_eq!(parse("go1.27rc1"), Some((1, 27)));
        assert_eq!(parse("devel go1.28-0123abc"), Some((1, 28)));
        assert_eq!(parse("gccgo"), None);
        assert!(parse("go1.9.7") < Some(OLDEST));
    }
}
