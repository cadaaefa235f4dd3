//! Checks what compilers do not.

use anyhow::Result;

use crate::paths::Paths;

pub(crate) fn run(_paths: &Paths) -> Result<()> {
    Ok(())
}
