//! Values built in, and values from environment variables.

use futures_util::future::BoxFuture;

use super::{Content, Format, Kind, Outlet, Part, Reading, Source, SourceError, SourceId, Version};

/// Content that never changes: defaults, or the process's own environment.
#[derive(Clone, Debug)]
pub struct FixedSource {
    id: SourceId,
    content: Content,
}

impl FixedSource {
    /// Defaults, as a text in `format`.
    #[must_use]
    pub fn defaults(name: &str, format: Format, text: &str) -> Self {
        let part = Part {
            name: name.to_owned(),
            at: Vec::new(),
            format,
            bytes: text.as_bytes().into(),
        };
        Self::of(Kind::Default, name, vec![part])
    }

    /// The variables whose names begin with `prefix`: after it, two underscores step into a mapping, and
    /// letters are taken as lower case. With the prefix `APP_`, `APP_SERVER__MAX_CONNS=5` is
    /// `server.max_conns: 5`.
    #[must_use]
    pub fn environment(
        prefix: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let mut parts: Vec<_> = variables
            .into_iter()
            .filter_map(|(name, value)| {
                let keys = name.strip_prefix(prefix)?;
                let at: Vec<_> = keys.split("__").map(str::to_ascii_lowercase).collect();
                at.iter().all(|key| !key.is_empty()).then(|| Part {
                    at,
                    format: Format::Scalar,
                    bytes: value.as_bytes().into(),
                    name,
                })
            })
            .collect();
        parts.sort_by(|a, b| a.name.cmp(&b.name));
        Self::of(Kind::Env, &format!("{prefix}*"), parts)
    }

    fn of(kind: Kind, name: &str, parts: Vec<Part>) -> Self {
        Self {
            id: SourceId {
                kind,
                name: name.to_owned(),
            },
            content: Content {
                version: Version("1".to_owned()),
                parts,
            },
        }
    }
}

impl Source for FixedSource {
    fn id(&self) -> SourceId {
        self.id.clone()
    }

    fn read(&self) -> BoxFuture<'_, Result<Reading, SourceError>> {
        Box::pin(async { Ok(Reading::Present(self.content.clone())) })
    }

    fn watch(&self, outlet: Outlet) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            outlet.put(Ok(Reading::Present(self.content.clone())));
            // It never changes, and neither does it end.
            std::future::pending().await
        })
    }
}
