//! A document of the settings becomes what the config watcher wants.

use std::{path::Path as File, sync::Arc};

use ::config::{
    Definition, DocumentId, FileSource, Hooks, Reveal, Schema, VersionRule,
    apollo::{Board, DEFAULT_CLUSTER, Key},
    read_once,
};

use super::source;
use crate::{
    config::{Document, DocumentSource},
    doctor::error_chain,
};

/// What is to be watched.
///
/// # Errors
/// Why it cannot be: a name, an address, a certificate, or the schema.
pub(super) async fn definition(
    settings: &Document,
    board: Option<&Arc<Board>>,
) -> Result<Definition, String> {
    let id = DocumentId::new(&settings.namespace, &settings.name);
    let id = id.map_err(|error| error.to_string())?;
    let mut sources = Vec::new();
    for named in &settings.sources {
        let board = board.filter(|_| !is_shown_as(named, &id));
        let made = source(named, board);
        sources.push(made.map_err(|error| error_chain(&error))?);
    }
    let mut definition = Definition::new(id, sources);
    let kinds = settings.precedence.iter();
    definition.precedence = kinds.map(|kind| (*kind).into()).collect();
    if let Some(file) = &settings.schema {
        definition.schema = Some(Arc::new(schema(file).await?));
    }
    if let Some(version) = &settings.version {
        let path = version.at.parse();
        let path = path.map_err(|error| format!("version.at `{}`: {error}", version.at))?;
        definition.versions = Some(VersionRule {
            path,
            accepted_major: version.accepted_major,
        });
    }
    Ok(definition)
}

/// Whether clients of Apollo find the document under the very name of this source: then they are to have the
/// document, and not what upstream says of it.
fn is_shown_as(source: &DocumentSource, id: &DocumentId) -> bool {
    let DocumentSource::Apollo(apollo) = source else {
        return false;
    };
    apollo.cluster == DEFAULT_CLUSTER
        && Key::new(&apollo.app, DEFAULT_CLUSTER, &apollo.namespace) == shown(id)
}

/// The name under which clients of Apollo find a document; `None` when Apollo has no such names.
pub(super) fn shown(id: &DocumentId) -> Option<Key> {
    Key::new(id.namespace(), DEFAULT_CLUSTER, id.name())
}

async fn schema(file: &File) -> Result<Schema, String> {
    let source = Arc::new(FileSource::new(file));
    let definition = Definition::new(DocumentId::local(), vec![source]);
    let read = read_once(&definition, &Hooks::default(), None).await;
    let read = read.map_err(|refused| {
        let problems: Vec<_> = refused.problems.iter().map(ToString::to_string).collect();
        format!("schema: {}", problems.join("; "))
    })?;
    Schema::new(read.to_json(Reveal::Plain)).map_err(|error| format!("{}: {error}", file.display()))
}
