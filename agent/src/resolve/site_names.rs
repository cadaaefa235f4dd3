//! Names of the places where goroutines are created.

use std::{collections::HashMap, fs::File, path::Path};

use super::{Frame, Resolver};

impl Resolver {
    /// Names creation sites, given as `runtime.g.gopc` of a process that is loaded `bias` bytes higher than
    /// linked: `main.(*pool).start (pool.go:41)`, or the address as linked where the binary does not say.
    /// Blocks as [`Resolver::lines`] does.
    #[must_use]
    pub fn site_names(&self, file: &File, bias: u64, sites: &[u64]) -> HashMap<u64, String> {
        // The site is the return address of the `go` statement's call.
        let linked = |site: &u64| site.wrapping_sub(bias).wrapping_sub(1);
        let addresses: Vec<u64> = sites.iter().map(linked).collect();
        let found = self.lines(file, &addresses).unwrap_or_else(|error| {
            tracing::debug!(%error, "creation sites stay without names");
            Vec::new()
        });
        let named = |(place, site): (usize, &u64)| {
            let frame = found.get(place).and_then(|frames| frames.first());
            let name = frame.map_or_else(|| format!("{:#x}", site.wrapping_sub(bias)), name);
            (*site, name)
        };
        sites.iter().enumerate().map(named).collect()
    }
}

fn name(frame: &Frame) -> String {
    let file = Path::new(&*frame.file).file_name().unwrap_or_default();
    format!(
        "{} ({}:{})",
        frame.function,
        file.to_string_lossy(),
        frame.line
    )
}
