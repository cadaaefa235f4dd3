//! Names of the places where goroutines are created.

use std::{collections::HashMap, fmt, fs::File, path::Path};

use super::{Frame, Resolver};

/// A `go` statement. Shown as `main.(*pool).start (pool.go:41)`, or as its address where the binary does not
/// say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreationSite {
    /// The address of its call, as linked.
    pub address: u64,
    /// Its function and line.
    pub frame: Option<Frame>,
}

impl Resolver {
    /// Names creation sites, given as `runtime.g.gopc` of a process that is loaded `bias` bytes higher than
    /// linked. Blocks as [`Resolver::lines`] does.
    #[must_use]
    pub fn creation_sites(
        &self,
        file: &File,
        bias: u64,
        sites: &[u64],
    ) -> HashMap<u64, CreationSite> {
        // The site is the return address of the `go` statement's call.
        let linked = |site: &u64| site.wrapping_sub(bias).wrapping_sub(1);
        let addresses: Vec<u64> = sites.iter().map(linked).collect();
        let found = self.lines(file, &addresses).unwrap_or_else(|error| {
            tracing::debug!(%error, "creation sites stay without names");
            Vec::new()
        });
        let frame = |place: usize| found.get(place)?.first().cloned();
        let named = |(place, (site, address)): (usize, (&u64, u64))| {
            let frame = frame(place);
            (*site, CreationSite { address, frame })
        };
        let sites = sites.iter().zip(addresses);
        sites.enumerate().map(named).collect()
    }
}

impl fmt::Display for CreationSite {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(frame) = &self.frame else {
            return write!(text, "{:#x}", self.address);
        };
        let file = Path::new(&*frame.file).file_name().unwrap_or_default();
        let file = file.to_string_lossy();
        write!(text, "{} ({file}:{})", frame.function, frame.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_shown_by_its_line_or_its_address() {
        let frame = Frame {
            function: "main.(*pool).start".into(),
            file: "/src/shop/pool.go".into(),
            line: 41,
            inlined: false,
        };
        let named = CreationSite {
            address: 0x4010,
            frame: Some(frame),
        };
        assert_eq!(named.to_string(), "main.(*pool).start (pool.go:41)");
        let unnamed = CreationSite {
            frame: None,
            ..named
        };
        assert_eq!(unnamed.to_string(), "0x4010");
    }
}
