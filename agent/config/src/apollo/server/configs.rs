//! `/configs` and `/configfiles`: what a namespace says.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::Serialize;

use super::{
    super::{
        Setting,
        board::{Releases, places},
        properties,
        release::{CONTENT, is_file, shown},
    },
    Server,
    answer::Answer,
    request::{Config, Form},
};
use crate::{DocumentId, caller::Reader};

/// What a client gets of a namespace, its own release over that of the public one.
struct Found {
    cluster: String,
    release_key: String,
    settings: BTreeMap<String, Setting>,
    documents: Vec<DocumentId>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    app_id: &'a str,
    cluster: &'a str,
    namespace_name: &'a str,
    configurations: BTreeMap<&'a str, &'a str>,
    release_key: &'a str,
}

impl Server {
    pub(super) async fn config(&self, asked: &Config, reader: &Reader) -> Answer {
        let Some(form) = asked.form else {
            return Answer::text(StatusCode::NOT_FOUND, "no such path");
        };
        let Some(found) = find(&self.board.releases(), asked) else {
            return Answer::text(
                StatusCode::NOT_FOUND,
                format!(
                    "Could not load configurations with appId: {}, clusterName: {}, namespace: {}",
                    asked.app, asked.cluster, asked.namespace
                ),
            );
        };
        let mut sees_secrets = true;
        for document in &found.documents {
            match self.rights(reader, document).await {
                Ok(reveals) => sees_secrets &= reveals,
                Err(denied) => return Answer::text(StatusCode::FORBIDDEN, denied.to_string()),
            }
        }
        if form == Form::Release && found.release_key == asked.release_key {
            return Answer::unchanged();
        }
        let configurations = shown(&found.settings, sees_secrets);
        match form {
            Form::Release => Answer::json(&Body {
                app_id: &asked.app,
                cluster: &found.cluster,
                namespace_name: &asked.namespace,
                configurations,
                release_key: &found.release_key,
            }),
            Form::Json => Answer::json(&configurations),
            Form::Properties => Answer::of(
                "text/plain;charset=UTF-8",
                properties::render(&configurations),
            ),
            Form::Raw => raw(&asked.namespace, &configurations),
        }
    }
}

/// The file itself, or the properties.
fn raw(namespace: &str, configurations: &BTreeMap<&str, &str>) -> Answer {
    let namespace = namespace.to_lowercase();
    let content = configurations.get(CONTENT).filter(|_| is_file(&namespace));
    let Some(content) = content else {
        return Answer::of(
            "text/plain;charset=UTF-8",
            properties::render(configurations),
        );
    };
    let content_type = match namespace.rsplit('.').next() {
        Some("json") => "application/json;charset=UTF-8",
        Some("yaml" | "yml") => "application/yaml;charset=UTF-8",
        Some("xml") => "application/xml;charset=UTF-8",
        _ => "text/plain;charset=UTF-8",
    };
    Answer::of(content_type, (*content).to_owned())
}

fn find(releases: &Releases, asked: &Config) -> Option<Found> {
    let key = asked.key()?;
    let places = |app| places(app, &asked.cluster, &asked.data_center, &asked.namespace);
    let own = releases.find(&places(&asked.app));
    let public = releases
        .owner(&asked.app, key.namespace())
        .and_then(|owner| releases.find(&places(owner)));
    let mut found: Option<Found> = None;
    // Apollo joins the keys of both with `+`, the application's own first.
    for (place, posted) in [own, public].into_iter().flatten() {
        let (release_key, settings) = posted.release.for_client(&asked.ip, &asked.label);
        let document = posted.release.document.clone();
        match &mut found {
            None => {
                found = Some(Found {
                    cluster: place.cluster().to_owned(),
                    release_key,
                    settings,
                    documents: document.into_iter().collect(),
                });
            }
            Some(own) => {
                own.release_key.push('+');
                own.release_key.push_str(&release_key);
                for (key, setting) in settings {
                    own.settings.entry(key).or_insert(setting);
                }
                own.documents.extend(document);
            }
        }
    }
    found
}
