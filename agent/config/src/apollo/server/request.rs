//! What is asked.

use http::Uri;
use percent_encoding::percent_decode_str;

use super::super::Key;

/// A request that was understood so far.
#[derive(Debug)]
pub(super) enum Asked {
    /// Where the servers are.
    Services,
    /// What a namespace says.
    Config(Config),
    /// What has changed.
    Notifications(Notifications),
}

/// In which form a namespace is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// With its release key.
    Release,
    /// As properties.
    Properties,
    /// As JSON.
    Json,
    /// The file itself.
    Raw,
}

/// What a namespace says.
#[derive(Debug, Default)]
pub(super) struct Config {
    pub(super) app: String,
    pub(super) cluster: String,
    /// As the client spells it.
    pub(super) namespace: String,
    pub(super) form: Option<Form>,
    pub(super) release_key: String,
    pub(super) data_center: String,
    pub(super) ip: String,
    pub(super) label: String,
    /// Path and query in the forms that clients sign.
    pub(super) signed: Vec<String>,
}

/// What has changed.
#[derive(Debug, Default)]
pub(super) struct Notifications {
    pub(super) app: String,
    pub(super) cluster: String,
    pub(super) data_center: String,
    /// JSON, not read yet.
    pub(super) known: String,
    pub(super) signed: Vec<String>,
}

impl Asked {
    /// The application that asks and what it signs, where it must name itself.
    pub(super) fn signed(&self) -> Option<(&str, &[String])> {
        match self {
            Self::Services => None,
            Self::Config(asked) => Some((&asked.app, &asked.signed)),
            Self::Notifications(asked) => Some((&asked.app, &asked.signed)),
        }
    }

    /// Reads path and query; `None` when the path is none of ours.
    pub(super) fn parse(uri: &Uri) -> Option<Self> {
        let path = percent_decode_str(uri.path()).decode_utf8().ok()?;
        let query = uri.query().unwrap_or_default();
        let signed = signed(uri, &path);
        let mut parts = uri.path().trim_start_matches('/').split('/');
        let form = match (parts.next()?, parts.next()?) {
            ("services", "config") => return Some(Self::Services),
            ("notifications", "v2") => return Some(Self::notifications(query, signed)),
            ("configfiles", "json") => Form::Json,
            ("configfiles", "raw") => Form::Raw,
            ("configfiles", app) => {
                return Some(Self::config(Form::Properties, app, parts, query, signed));
            }
            ("configs", app) => {
                return Some(Self::config(Form::Release, app, parts, query, signed));
            }
            _ => return None,
        };
        let app = parts.next().unwrap_or_default();
        Some(Self::config(form, app, parts, query, signed))
    }

    fn notifications(query: &str, signed: Vec<String>) -> Self {
        let mut asked = Notifications {
            signed,
            ..Notifications::default()
        };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            match &*name {
                "appId" => asked.app = value,
                "cluster" => asked.cluster = value,
                "dataCenter" => asked.data_center = value,
                "notifications" => asked.known = value,
                _ => {}
            }
        }
        Self::Notifications(asked)
    }

    fn config<'a>(
        form: Form,
        app: &str,
        mut rest: impl Iterator<Item = &'a str>,
        query: &str,
        signed: Vec<String>,
    ) -> Self {
        let mut asked = Config {
            app: decoded(app),
            cluster: rest.next().map(decoded).unwrap_or_default(),
            namespace: rest.next().map(decoded).unwrap_or_default(),
            form: rest.next().is_none().then_some(form),
            signed,
            ..Config::default()
        };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            match &*name {
                "releaseKey" => asked.release_key = value,
                "dataCenter" => asked.data_center = value,
                "ip" => asked.ip = value,
                "label" => asked.label = value,
                _ => {}
            }
        }
        Self::Config(asked)
    }
}

impl Config {
    /// The namespace as it is looked for.
    pub(super) fn key(&self) -> Option<Key> {
        Key::new(&self.app, &self.cluster, &self.namespace)
    }
}

fn decoded(part: &str) -> String {
    percent_decode_str(part).decode_utf8_lossy().into_owned()
}

fn signed(uri: &Uri, decoded_path: &str) -> Vec<String> {
    let query = uri.query().map(|query| format!("?{query}"));
    let query = query.unwrap_or_default();
    let mut forms = vec![format!("{}{query}", uri.path())];
    if decoded_path != uri.path() {
        forms.push(format!("{decoded_path}{query}"));
    }
    forms
}
