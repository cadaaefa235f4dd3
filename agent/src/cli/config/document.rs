//! Documents of the node's services: checked before they are deployed, and explained.

use std::{env, path::PathBuf, process::ExitCode, sync::Arc};

use ::config::{
    Data, Definition, DocumentId, FileSource, FixedSource, Hooks, NoMask, Path, Problem, Refused,
    Reveal, Schema, Source, Value, VersionRule, read_once,
};
use clap::Args;

use super::super::{CliError, Output, output::FAILED};

/// What a document is made of.
#[derive(Debug, Args)]
pub(super) struct Layers {
    /// Files, or folders of them; later ones win.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Take environment variables that begin with this, over all files: APP_SERVER__PORT is server.port.
    #[arg(long, value_name = "PREFIX")]
    env: Option<String>,
}

/// What a document must fit.
#[derive(Debug, Args)]
pub(super) struct Rules {
    /// JSON Schema 2020-12, as JSON, YAML or TOML.
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// The document says its semantic version under this key.
    #[arg(long, value_name = "PATH")]
    version_at: Option<Path>,
    /// The highest major version that its readers were made for.
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 1,
        requires = "version_at"
    )]
    accepted_major: u64,
    /// The document as it is deployed now: a changed one needs a higher version.
    #[arg(long, value_name = "FILE", requires = "version_at")]
    before: Option<PathBuf>,
}

/// Reports every mistake of a document.
pub(super) async fn check(
    layers: &Layers,
    rules: &Rules,
    json: bool,
    output: &mut Output,
) -> Result<ExitCode, CliError> {
    let problems = problems(layers, rules).await;
    if json {
        output.json(&serde_json::json!({ "files": layers.files, "problems": problems }))?;
    } else if problems.is_empty() {
        output.line("ok")?;
    } else {
        for problem in &problems {
            output.line(problem)?;
        }
    }
    Ok(match problems.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(FAILED),
    })
}

async fn problems(layers: &Layers, rules: &Rules) -> Vec<Problem> {
    match try_check(layers, rules).await {
        Ok(_) => Vec::new(),
        Err(refused) => refused.problems,
    }
}

async fn try_check(layers: &Layers, rules: &Rules) -> Result<Value, Refused> {
    let mut definition = layers.definition();
    if let Some(file) = &rules.schema {
        definition.schema = Some(Arc::new(schema(file).await?));
    }
    definition.versions = rules.version_at.clone().map(|path| VersionRule {
        path,
        accepted_major: rules.accepted_major,
    });
    let before = match &rules.before {
        Some(file) => Some(read(file).await?),
        None => None,
    };
    read_once(&definition, &Hooks::default(), before.as_ref()).await
}

async fn schema(file: &std::path::Path) -> Result<Schema, Refused> {
    let json = read(file).await?.to_json(Reveal::Plain);
    Schema::new(json).map_err(|error| {
        let message = format!("{}: {error}", file.display());
        Refused {
            stage: ::config::Stage::Validate,
            problems: vec![Problem::new(Path::root(), "schema", message)],
        }
    })
}

async fn read(file: &std::path::Path) -> Result<Value, Refused> {
    let layers = Layers {
        files: vec![file.to_owned()],
        env: None,
    };
    read_once(&layers.definition(), &Hooks::default(), None).await
}

/// Prints a value of a document, or where each value comes from.
pub(super) async fn get(
    layers: &Layers,
    path: &Path,
    explain: bool,
    output: &mut Output,
) -> Result<ExitCode, CliError> {
    let document = match read_once(&layers.definition(), &Hooks::default(), None).await {
        Ok(document) => document,
        Err(refused) => {
            for problem in &refused.problems {
                output.line(problem)?;
            }
            return Ok(ExitCode::from(FAILED));
        }
    };
    let Some(value) = document.get(path) else {
        output.line(format_args!("{path}: there is no such value"))?;
        return Ok(ExitCode::from(FAILED));
    };
    if !explain {
        let shown = value.to_json(Reveal::Masked(&NoMask));
        match &value.data {
            Data::Text(text) => output.line(text)?,
            _ => output.json(&shown)?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    for line in explained(path, value) {
        output.line(line)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Each value with the source that won, such as `server.port = 8080  (file app.yaml:2:9, version 1f3a)`.
fn explained(path: &Path, value: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    value.leaves(&mut |inner, leaf| {
        let whole: Path = path.steps().iter().chain(inner.steps()).cloned().collect();
        let shown = leaf.to_json(Reveal::Masked(&NoMask));
        let (kind, version) = (leaf.origin.place.kind, &leaf.origin.place.version);
        let place = &leaf.origin;
        lines.push(format!(
            "{whole} = {shown}  ({kind} {place}, version {version})"
        ));
    });
    lines
}

impl Layers {
    /// The one file, if it can only be golens' own settings: nothing says what else it should fit.
    pub(super) fn own_settings(&self, rules: &Rules) -> Option<&std::path::Path> {
        let any_rule = rules.schema.is_some() || rules.version_at.is_some();
        match &*self.files {
            [file] if !any_rule && self.env.is_none() => Some(file),
            _ => None,
        }
    }

    fn definition(&self) -> Definition {
        let file = |file: &PathBuf| Arc::new(FileSource::new(file)) as Arc<dyn Source>;
        let mut sources: Vec<_> = self.files.iter().map(file).collect();
        if let Some(prefix) = &self.env {
            let text = |name: std::ffi::OsString| name.into_string().ok();
            let variables =
                env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?)));
            sources.push(Arc::new(FixedSource::environment(prefix, variables)));
        }
        Definition::new(DocumentId::local(), sources)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let name = format!("golens-cli-config-{name}-{}", std::process::id());
        let folder = env::temp_dir().join(name);
        fs::create_dir_all(&folder).expect("a folder");
        for (file, text) in files {
            fs::write(folder.join(file), text).expect("a file");
        }
        folder
    }

    fn layers(folder: &std::path::Path, files: &[&str]) -> Layers {
        Layers {
            files: files.iter().map(|file| folder.join(file)).collect(),
            env: None,
        }
    }

    #[tokio::test]
    async fn a_document_is_checked_against_a_schema_and_the_version_before() {
        let folder = folder(
            "check",
            &[
                ("old.yaml", "version: 1.0.0\nport: 1\n"),
                ("new.yaml", "version: 2.0.0\nport: 2\n"),
                ("bad.toml", "port = 'x'\nversion = '1.1.0'\n"),
                (
                    "schema.json",
                    r#"{"properties": {"port": {"type": "integer"}}}"#,
                ),
            ],
        );
        let rules = Rules {
            schema: Some(folder.join("schema.json")),
            version_at: Some("version".parse().expect("a path")),
            accepted_major: 1,
            before: Some(folder.join("old.yaml")),
        };
        let told = async |file: &str| {
            let problems = problems(&layers(&folder, &[file]), &rules).await;
            let place = format!("{}/", folder.display());
            let shown = problems.iter().map(|it| it.to_string().replace(&place, ""));
            shown.collect::<Vec<_>>()
        };
        assert_eq!(told("old.yaml").await, [""; 0]);
        let version = "new.yaml:1:10: version: 2.0.0 is a major change that its readers were not made for: expected major version 1 at most";
        assert_eq!(told("new.yaml").await, [version]);
        let port = "bad.toml:1:8: port: does not fit `type`: expected integer, got \"x\"";
        assert_eq!(told("bad.toml").await, [port]);
        assert_eq!(told("none.yaml").await, ["none.yaml: is not there"]);
        fs::remove_dir_all(folder).expect("removed");
    }

    #[tokio::test]
    async fn every_value_is_explained_by_the_source_that_won() {
        let folder = folder(
            "get",
            &[("a.yaml", "port: 1\nname: a\n"), ("b.toml", "port = 2\n")],
        );
        let definition = layers(&folder, &["a.yaml", "b.toml"]).definition();
        let document = read_once(&definition, &Hooks::default(), None).await;
        let lines = explained(&Path::root(), &document.expect("is built"));
        let (a, b) = (folder.join("a.yaml"), folder.join("b.toml"));
        assert!(lines[0].starts_with(&format!(
            "name = \"a\"  (file {}:2:7, version ",
            a.display()
        )));
        assert!(lines[1].starts_with(&format!("port = 2  (file {}:1:8, version ", b.display())));
        fs::remove_dir_all(folder).expect("removed");
    }
}
