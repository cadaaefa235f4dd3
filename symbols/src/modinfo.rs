//! The module text of the build information.

use crate::budget::MAX_MODULES;

/// What the toolchain recorded about a build.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildInfo {
    /// Import path of the main package.
    pub path: String,
    /// The module that holds the main package.
    pub main: Option<Module>,
    /// The modules linked in.
    pub deps: Vec<Module>,
    /// Build settings such as `-ldflags` and `vcs.revision`, in the order recorded.
    pub settings: Vec<(String, String)>,
}

/// One module and the version of it that was built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Module {
    /// Module path.
    pub path: String,
    /// Version, such as `v1.2.3` or `(devel)`.
    pub version: String,
    /// The module built in its stead.
    pub replace: Option<Box<Module>>,
}

impl BuildInfo {
    /// Finds the main module or a dependency by its path.
    pub fn module(&self, path: &str) -> Option<&Module> {
        self.main
            .iter()
            .chain(&self.deps)
            .find(|module| module.path == path)
    }

    /// Finds a build setting.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.settings
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    /// Reads the lines of the text; lines of unknown kind are for newer readers and skipped.
    pub(crate) fn parse(text: &str) -> Self {
        let mut info = Self::default();
        let mut last = Last::Main;
        for line in text.lines().take(MAX_MODULES) {
            let (kind, rest) = line.split_once('\t').unwrap_or((line, ""));
            match kind {
                "path" => info.path = rest.to_owned(),
                "mod" => (info.main, last) = (Some(Module::parse(rest)), Last::Main),
                "dep" => {
                    info.deps.push(Module::parse(rest));
                    last = Last::Dep;
                }
                "=>" => {
                    let target = match last {
                        Last::Main => info.main.as_mut(),
                        Last::Dep => info.deps.last_mut(),
                    };
                    if let Some(module) = target {
                        module.replace = Some(Box::new(Module::parse(rest)));
                    }
                }
                "build" => info.settings.extend(parse_setting(rest)),
                _ => {}
            }
        }
        info
    }
}

/// The line a `=>` belongs to.
enum Last {
    Main,
    Dep,
}

impl Module {
    fn parse(rest: &str) -> Self {
        let mut words = rest.split('\t');
        let mut word = || words.next().unwrap_or_default().to_owned();
        Self {
            path: word(),
            version: word(),
            replace: None,
        }
    }
}

fn parse_setting(rest: &str) -> Option<(String, String)> {
    let (key, value) = match rest.strip_prefix('"') {
        None => rest.split_once('=')?,
        Some(_) => {
            let end = rest.find("\"=")?.checked_add(1)?;
            (rest.get(..end)?, rest.get(end..)?.strip_prefix('=')?)
        }
    };
    Some((unquote(key), unquote(value)))
}

/// Takes the quotes off a Go string; text that is not quoted stays as it is.
fn unquote(text: &str) -> String {
    if let Some(raw) = text
        .strip_prefix('`')
        .and_then(|rest| rest.strip_suffix('`'))
    {
        return raw.to_owned();
    }
    let Some(quoted) = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    else {
        return text.to_owned();
    };
    let mut plain = String::with_capacity(quoted.len());
    let mut chars = quoted.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            plain.push(char);
            continue;
        }
        let Some(escape) = chars.next() else { break };
        let digits = match escape {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => 0,
        };
        if digits == 0 {
            plain.push(match escape {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                other => other,
            });
        } else {
            let code: String = chars.by_ref().take(digits).collect();
            let decoded = u32::from_str_radix(&code, 16).ok().and_then(char::from_u32);
            plain.push(decoded.unwrap_or(char::REPLACEMENT_CHARACTER));
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_replacements_and_settings_are_read() {
        let info = BuildInfo::parse(concat!(
            "path\texample.test/app\n",
            "mod\texample.test\t(devel)\t\n",
            "dep\texample.test/a\tv1.0.0\th1:aa=\n",
            "dep\texample.test/b\tv1.1.0\n",
            "=>\t../b\t(devel)\t\n",
            "build\t-ldflags=\"-s -w -X main.v=\\\"1\\\"\"\n",
            "build\t\"odd key\"=value\n",
            "build\tCGO_ENABLED=0\n",
            "later\tunknown\n",
        ));
        assert_eq!(info.path, "example.test/app");
        assert_eq!(
            info.main.as_ref().map(|main| main.version.as_str()),
            Some("(devel)")
        );
        assert_eq!(info.module("example.test/a").unwrap().replace, None);
        let replaced = info
            .module("example.test/b")
            .unwrap()
            .replace
            .as_ref()
            .unwrap();
        assert_eq!(
            (replaced.path.as_str(), replaced.version.as_str()),
            ("../b", "(devel)")
        );
        assert_eq!(info.setting("-ldflags"), Some("-s -w -X main.v=\"1\""));
        assert_eq!(info.setting("odd key"), Some("value"));
        assert_eq!(info.setting("CGO_ENABLED"), Some("0"));
    }

    #[test]
    fn odd_lines_are_harmless() {
        for text in [
            "=>\tx\ty",
            "build\t\"",
            "build\t\"=",
            "build\t=\"",
            "dep",
            "mod\t",
            "build\ta=\"\\x\"",
            "\t",
        ] {
            let _info = BuildInfo::parse(text);
        }
    }
}
