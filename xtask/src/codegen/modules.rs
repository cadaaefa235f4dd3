//! Modules whose structs golens reads.

use anyhow::{Result, bail};

use super::{builds::Builds, tables::Tables};

/// Lists all tagged versions.
pub(super) fn all(_builds: &Builds) -> Result<Vec<String>> {
    Ok(Vec::new())
}

/// Adds the rows of one module version.
pub(super) fn add(_builds: &Builds, module: &str, _tables: &mut Tables) -> Result<()> {
    bail!("{module}")
}
