//! The Go release a binary was built with.

use std::fmt;

use crate::error::Error;

/// The release named in a binary.
///
/// # Units       release candidates, development and vendor builds count as patch 0 of their release
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoVersion {
    /// 1.
    pub major: u32,
    /// 26 in go1.26.8.
    pub minor: u32,
    /// 8 in go1.26.8.
    pub patch: u32,
    /// The whole text, with experiments and vendor notes.
    pub text: String,
}

impl GoVersion {
    /// Reads the text of a binary's build information.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let unknown = || Error::UnknownVersion {
            text: text.to_owned(),
        };
        let release = release_word(text).ok_or_else(unknown)?;
        let mut numbers = release
            .strip_prefix("go")
            .into_iter()
            .flat_map(|rest| rest.split('.'));
        let major = numbers
            .next()
            .and_then(leading_number)
            .ok_or_else(unknown)?;
        let minor = numbers
            .next()
            .and_then(leading_number)
            .ok_or_else(unknown)?;
        let patch = numbers.next().and_then(leading_number).unwrap_or(0);
        let version = Self {
            major,
            minor,
            patch,
            text: text.to_owned(),
        };
        if version.at_least(17) {
            Ok(version)
        } else {
            Err(Error::TooOld {
                text: text.to_owned(),
            })
        }
    }

    /// Says whether the release is go1.`minor` or newer.
    pub fn at_least(&self, minor: u32) -> bool {
        (self.major, self.minor) >= (1, minor)
    }

    /// Lists the experiments switched on or off against the release's defaults.
    pub fn experiments(&self) -> impl Iterator<Item = &str> {
        let (_, list) = split_experiments(&self.text);
        list.split(',').filter(|name| !name.is_empty())
    }

    /// Answers the text before the experiments, vendor notes included.
    pub(crate) fn without_experiments(&self) -> &str {
        split_experiments(&self.text).0
    }
}

impl fmt::Display for GoVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(release_word(&self.text).unwrap_or(&self.text))
    }
}

/// Finds the word that names the release: the first of a release, the second of `devel go1.27-0123abcd`.
fn release_word(text: &str) -> Option<&str> {
    let mut words = split_experiments(text).0.split_whitespace();
    match words.next()? {
        "devel" => words.next(),
        word => Some(word),
    }
}

/// Splits `go1.25.1 X:a,b`, which is `go1.26.8-X:a,b` in newer releases.
fn split_experiments(text: &str) -> (&str, &str) {
    let split = text.split_once(" X:").or_else(|| text.split_once("-X:"));
    let (before, list) = split.unwrap_or((text, ""));
    (before, list.split_whitespace().next().unwrap_or_default())
}

fn leading_number(text: &str) -> Option<u32> {
    let end = text
        .bytes()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(text: &str) -> (u32, u32, u32, String) {
        let version = GoVersion::parse(text).unwrap();
        (
            version.major,
            version.minor,
            version.patch,
            version.to_string(),
        )
    }

    #[test]
    fn releases_candidates_and_vendor_builds_have_numbers() {
        assert_eq!(numbers("go1.26.8"), (1, 26, 8, "go1.26.8".into()));
        assert_eq!(numbers("go1.17"), (1, 17, 0, "go1.17".into()));
        assert_eq!(numbers("go1.27rc1"), (1, 27, 0, "go1.27rc1".into()));
        assert_eq!(
            numbers("go1.22.5-vendor X:boringcrypto"),
            (1, 22, 5, "go1.22.5-vendor".into())
        );
        assert_eq!(
            numbers("devel go1.27-0123abcd Tue Jan 1"),
            (1, 27, 0, "go1.27-0123abcd".into())
        );
    }

    #[test]
    fn experiments_are_listed() {
        let version = GoVersion::parse("go1.24.4 X:noswissmap,aliastypeparams").unwrap();
        assert_eq!(
            version.experiments().collect::<Vec<_>>(),
            ["noswissmap", "aliastypeparams"]
        );
        assert_eq!(
            GoVersion::parse("go1.24.4").unwrap().experiments().count(),
            0
        );
        let newer = GoVersion::parse("go1.26.8-X:boringcrypto").unwrap();
        assert_eq!(newer.experiments().collect::<Vec<_>>(), ["boringcrypto"]);
        assert_eq!(newer.without_experiments(), "go1.26.8");
        assert_eq!(newer.to_string(), "go1.26.8");
    }

    #[test]
    fn old_and_unreadable_versions_are_refused() {
        assert_eq!(
            GoVersion::parse("go1.16.15"),
            Err(Error::TooOld {
                text: "go1.16.15".into()
            })
        );
        for text in [
            "",
            "devel",
            "devel +a1b2c3 Mon",
            "go",
            "gox.y",
            "go1.",
            "go99999999999.1",
        ] {
            assert_eq!(
                GoVersion::parse(text),
                Err(Error::UnknownVersion { text: text.into() }),
                "{text:?}"
            );
        }
    }
}
