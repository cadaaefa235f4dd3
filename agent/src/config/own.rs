//! Where golens' own settings come from, and what they must fit.

use std::{net::SocketAddr, path::Path, sync::Arc};

use ::config::{
    Check, Definition, DocumentId, FileSource, FixedSource, Format, Hooks, Problem, Schema, Source,
    Value, read_once,
};

use super::{Config, ConfigError, Scope, schema};
use crate::documents::environment;

/// Environment variables that begin so are settings: `GOLENS__HTTP__LISTEN` is `http.listen`. Two underscores,
/// because Kubernetes makes variables such as `GOLENS_SERVICE_HOST` by itself.
const PREFIX: &str = "GOLENS__";

/// The defaults, the file, and the environment. `defaults` is what holds where nothing else is said.
#[must_use]
pub fn sources(defaults: &Config, file: Option<&Path>) -> Vec<Arc<dyn Source>> {
    let text = serde_json::to_string(defaults).unwrap_or_default();
    let defaults = FixedSource::defaults("built in", Format::Json, &text);
    let mut sources: Vec<Arc<dyn Source>> = vec![Arc::new(defaults)];
    if let Some(file) = file {
        sources.push(Arc::new(FileSource::new(file)));
    }
    sources.push(Arc::new(FixedSource::environment(PREFIX, environment())));
    sources
}

/// golens' own settings as a document.
#[must_use]
pub fn definition(sources: Vec<Arc<dyn Source>>, overrides: Overrides) -> Definition {
    // The schema is made from types of this program, and a test compiles it.
    let schema = Schema::new(schema()).ok().map(Arc::new);
    Definition {
        schema,
        checks: vec![Arc::new(overrides)],
        ..Definition::new(DocumentId::own(), sources)
    }
}

/// Reads the settings once.
///
/// # Errors
/// Every mistake, each with its place.
pub async fn load(file: Option<&Path>) -> Result<Config, ConfigError> {
    let sources = sources(&Config::default(), file);
    let definition = definition(sources, Overrides::default());
    let read = read_once(&definition, &Hooks::default(), None).await;
    let document = read.map_err(|refused| refused.problems);
    let config = document.and_then(|document| Overrides::default().effective(&document));
    config.map_err(|problems| ConfigError { problems })
}

/// What the command line says, whatever the settings do.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Instead of `http.listen`.
    pub listen: Option<SocketAddr>,
    /// Added to `scope.cgroups`.
    pub cgroups: Vec<String>,
    /// A command is observed, and nothing else: a scope would only hide it.
    pub no_scope: bool,
}

impl Overrides {
    /// The settings in effect.
    ///
    /// # Errors
    /// Every mistake, each with its place.
    pub fn effective(&self, document: &Value) -> Result<Config, Vec<Problem>> {
        Config::read(document, |config| self.apply(config))
    }

    fn apply(&self, config: &mut Config) {
        if let Some(listen) = self.listen {
            config.http.listen = listen;
        }
        if self.no_scope {
            config.scope = Scope::default();
        }
        config.scope.cgroups.extend(self.cgroups.iter().cloned());
    }
}

impl Check for Overrides {
    fn check(&self, document: &Value) -> Vec<Problem> {
        self.effective(document).err().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::{env, fs};

    use super::*;
    use crate::config::Bytes;

    async fn parse(text: &str) -> Result<Config, Vec<String>> {
        let name = format!("golens-own-{}-{}.yaml", std::process::id(), text.len());
        let file = env::temp_dir().join(name);
        fs::write(&file, text).expect("a file");
        let loaded = load(Some(&file)).await;
        fs::remove_file(&file).expect("removed");
        let place = format!("{}:", file.display());
        loaded.map_err(|error| {
            let shown = error.problems.iter().map(ToString::to_string);
            shown.map(|shown| shown.replace(&place, "")).collect()
        })
    }

    #[test]
    fn the_schema_of_the_types_compiles() {
        assert!(Schema::new(schema()).is_ok());
        assert!(
            definition(Vec::new(), Overrides::default())
                .schema
                .is_some()
        );
    }

    #[tokio::test]
    async fn nothing_at_all_is_the_default() {
        for text in ["", "# only a comment\n", "{}", "probes:\n", "---\n"] {
            assert_eq!(parse(text).await, Ok(Config::default()), "{text:?}");
        }
        assert_eq!(load(None).await, Ok(Config::default()));
    }

    #[tokio::test]
    async fn values_are_taken() {
        let config = parse("probes: { ring: 16MiB }\nscope:\n  cgroups: [/kubepods]\n").await;
        let config = config.expect("valid");
        assert_eq!(config.probes.ring, Bytes(16 << 20));
        assert_eq!(config.scope.cgroups, ["/kubepods"]);
    }

    #[tokio::test]
    async fn mistakes_in_all_sections_come_at_once_with_place_and_choice() {
        let text = "\
probes:
  htp: true
runtime:
  interval: soon
http:
  listen: localhost
recent:
  memory: 1KiB
otpl: {}
";
        let shown = parse(text).await.expect_err("five mistakes");
        assert_eq!(shown.len(), 5, "{shown:#?}");
        assert!(shown[0].starts_with("2:3: probes.htp: is not known: expected one of attach, "));
        assert!(shown[0].ends_with("; did you mean `http`?"), "{shown:#?}");
        let interval = "4:13: runtime.interval: does not fit `pattern`: \
                        expected a text such as \"500ms\", \"10s\" or \"5m\", got \"soon\"";
        assert_eq!(shown[1], interval);
        assert!(shown[2].starts_with("6:11: http.listen: "), "{shown:#?}");
        let memory = "8:11: recent.memory: 1KiB is outside of 1MiB to 64GiB";
        assert_eq!(shown[3], memory);
        assert!(shown[4].starts_with("9:1: otpl: is not known: expected one of config, "));
        assert!(shown[4].ends_with("; did you mean `otlp`?"), "{shown:#?}");
    }

    #[tokio::test]
    async fn text_that_is_no_yaml_is_one_mistake_with_a_line() {
        let shown = parse("probes:\n  - [\n").await.expect_err("no YAML");
        assert_eq!(shown.len(), 1, "{shown:#?}");
        let shown = parse("just words").await.expect_err("no mapping");
        assert!(
            shown[0].contains("expected object, got \"just words\""),
            "{shown:#?}"
        );
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_is_a_mistake() {
        let error = load(Some(Path::new("/nowhere/golens.yaml"))).await;
        let error = error.expect_err("it is not there").to_string();
        assert!(
            error.ends_with("/nowhere/golens.yaml: is not there"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn the_effective_settings_print_as_a_file_that_loads() {
        let text = serde_yaml_ng::to_string(&Config::default()).expect("prints");
        assert_eq!(parse(&text).await, Ok(Config::default()));
    }
}
