//! Text of a configuration file becomes a [`Config`], or the list of all its mistakes.

use std::{fs, path::Path};

use serde::{Deserialize, de::DeserializeOwned};
use serde_yaml_ng::Value;

use super::{Config, ConfigError, Problem};

impl Config {
    /// Reads, parses and validates a file.
    ///
    /// # Errors
    /// `Read` when the file cannot be read, `Invalid` with every mistake found.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text).map_err(|problems| ConfigError::Invalid {
            path: path.to_owned(),
            problems,
        })
    }

    /// Parses and validates the text of a file.
    ///
    /// # Errors
    /// Every mistake found; one per section where the text itself does not fit.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let mut problems = top_level(text)?;
        let config = sections(text, &mut problems);
        problems.extend(config.validate());
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(problems)
        }
    }
}

/// Names of the sections, in the order of the sample file.
const SECTIONS: [&str; 9] = [
    "scope", "probes", "runtime", "metrics", "http", "recent", "otlp", "loki", "registry",
];

/// Checks that the text is YAML and that its outermost keys are sections.
fn top_level(text: &str) -> Result<Vec<Problem>, Vec<Problem>> {
    let document = serde_yaml_ng::from_str::<Value>(text).map_err(|error| vec![problem(&error)])?;
    let keys = match document {
        Value::Null => return Ok(Vec::new()),
        Value::Mapping(keys) => keys,
        _ => {
            let message = format!("must be a mapping of sections: {}", SECTIONS.join(", "));
            return Err(vec![Problem::new("", message)]);
        }
    };
    Ok(keys
        .keys()
        .filter(|key| !key.as_str().is_some_and(|name| SECTIONS.contains(&name)))
        .map(|key| {
            let name = key
                .as_str()
                .map_or_else(|| format!("{key:?}"), str::to_owned);
            let message = format!("is no section; allowed are {}", SECTIONS.join(", "));
            Problem {
                line: line_of_key(text, &name),
                ..Problem::new(name, message)
            }
        })
        .collect())
}

/// Parses each section by itself, so that a mistake in one does not hide those in the others.
fn sections(text: &str, problems: &mut Vec<Problem>) -> Config {
    /// Takes one section out of the whole text, which keeps the line numbers of mistakes.
    macro_rules! section {
        ($name:ident) => {{
            #[derive(Deserialize)]
            struct Only<T> {
                $name: Option<T>,
            }
            take::<Only<_>>(text, problems)
                .and_then(|only| only.$name)
                .unwrap_or_default()
        }};
    }
    Config {
        scope: section!(scope),
        probes: section!(probes),
        runtime: section!(runtime),
        metrics: section!(metrics),
        http: section!(http),
        recent: section!(recent),
        otlp: section!(otlp),
        loki: section!(loki),
        registry: section!(registry),
    }
}

fn take<T: DeserializeOwned>(text: &str, problems: &mut Vec<Problem>) -> Option<T> {
    match serde_yaml_ng::from_str::<Option<T>>(text) {
        Ok(section) => section,
        Err(error) => {
            problems.push(problem(&error));
            None
        }
    }
}

/// Takes apart `probes.ring: message at line 3 column 9`.
fn problem(error: &serde_yaml_ng::Error) -> Problem {
    let location = error.location();
    let mut message = error.to_string();
    if let Some(at) = &location {
        let suffix = format!(" at line {} column {}", at.line(), at.column());
        if let Some(short) = message.strip_suffix(&suffix) {
            message = short.to_owned();
        }
    }
    let (path, message) = match message.split_once(": ") {
        Some((path, rest)) if is_path(path) => (path.to_owned(), rest.to_owned()),
        _ => (String::new(), message),
    };
    Problem {
        path,
        line: location.map(|at| at.line()),
        message,
    }
}

fn is_path(text: &str) -> bool {
    let name = text.split(['.', '[']).next().unwrap_or_default();
    SECTIONS.contains(&name) && !text.contains(char::is_whitespace)
}

fn line_of_key(text: &str, key: &str) -> Option<usize> {
    let at = text.lines().position(|line| {
        line.strip_prefix(key)
            .is_some_and(|rest| rest.starts_with(':'))
    })?;
    Some(at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Bytes;

    #[test]
    fn nothing_at_all_is_the_default() {
        for text in ["", "# only a comment\n", "{}", "probes:\n", "---\n"] {
            assert_eq!(Config::parse(text), Ok(Config::default()), "{text:?}");
        }
    }

    #[test]
    fn values_are_taken() {
        let config = Config::parse("probes: { ring: 16MiB }\nscope:\n  cgroups: [/kubepods]\n");
        let config = config.expect("valid");
        assert_eq!(config.probes.ring, Bytes(16 << 20));
        assert_eq!(config.scope.cgroups, ["/kubepods"]);
    }

    #[test]
    fn mistakes_in_all_sections_come_at_once_with_place_and_choice() {
        let text = "\
probes:
  htp: true
runtime:
  interval: soon
http:
  listen: 127.0.0.1:0
recent:
  memory: 1KiB
otpl: {}
";
        let problems = Config::parse(text).expect_err("four mistakes");
        let shown: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(problems.len(), 4, "{shown:#?}");
        assert!(shown[0].starts_with("line 9: otpl: is no section; allowed are scope"));
        assert!(
            shown[1].contains("line 2") && shown[1].contains("`htp`"),
            "{shown:#?}"
        );
        assert!(
            shown[1].contains("`http`"),
            "names what is allowed: {shown:#?}"
        );
        assert!(
            shown[2].starts_with("line 4: runtime: `soon` is no duration"),
            "{shown:#?}"
        );
        assert!(shown[3].starts_with("recent.memory: "), "{shown:#?}");
    }

    #[test]
    fn text_that_is_no_yaml_is_one_mistake_with_a_line() {
        let problems = Config::parse("probes:\n  - [\n").expect_err("no YAML");
        assert_eq!(problems.len(), 1);
        assert!(problems[0].line.is_some());
        let problems = Config::parse("just words").expect_err("no mapping");
        assert!(problems[0].message.contains("must be a mapping"));
    }

    #[test]
    fn the_effective_settings_print_as_a_file_that_loads() {
        let text = serde_yaml_ng::to_string(&Config::default()).expect("prints");
        assert_eq!(Config::parse(&text), Ok(Config::default()));
    }
}
