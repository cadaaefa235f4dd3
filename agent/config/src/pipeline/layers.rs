//! What the sources of a document said last.

use std::{sync::Arc, time::Instant};

use futures_util::future::select_all;
use tokio::task::JoinSet;

use super::Contents;
use crate::{
    Content, Reading, Source, SourceId,
    source::{Inlet, channel},
};

/// The sources of a document, lowest precedence first, and what each said last.
pub(super) struct Layers {
    layers: Vec<Layer>,
    /// Reads the sources; ended when this is dropped.
    _readers: JoinSet<()>,
}

struct Layer {
    id: SourceId,
    inlet: Inlet,
    content: Option<Content>,
    lost_since: Option<Instant>,
}

/// News about a source itself.
pub(super) enum News {
    Lost(SourceId, String),
    Back(SourceId),
}

impl Layers {
    /// Starts to read. What is not read yet is taken from `known`.
    pub(super) fn start(sources: Vec<Arc<dyn Source>>, known: &[(SourceId, Content)]) -> Self {
        let mut readers = JoinSet::new();
        let layers = sources.into_iter().map(|source| {
            let (outlet, inlet) = channel();
            let id = source.id();
            readers.spawn(async move { source.watch(outlet).await });
            let content = known.iter().find(|(known, _)| *known == id);
            Layer {
                content: content.map(|(_, content)| content.clone()),
                id,
                inlet,
                lost_since: None,
            }
        });
        Self {
            layers: layers.collect(),
            _readers: readers,
        }
    }

    /// Returns when a source said something that was not taken yet.
    pub(super) async fn changed(&mut self) {
        let waits = self
            .layers
            .iter_mut()
            .map(|layer| Box::pin(layer.inlet.changed()));
        let waits: Vec<_> = waits.collect();
        match waits.is_empty() {
            true => std::future::pending().await,
            false => drop(select_all(waits).await),
        }
    }

    /// Returns when every source said something.
    pub(super) async fn all_read(&self) {
        for layer in &self.layers {
            layer.inlet.filled().await;
        }
    }

    /// Takes what the sources said. What is gone or cannot be read stays as it was.
    pub(super) fn take(&mut self) -> Vec<News> {
        let mut news = Vec::new();
        for layer in &mut self.layers {
            let lost = match layer.inlet.take() {
                None => continue,
                Some(Ok(Reading::Present(content))) => {
                    layer.content = Some(content);
                    None
                }
                // A source that was never there is one that says nothing.
                Some(Ok(Reading::Absent)) if layer.content.is_none() => None,
                Some(Ok(Reading::Absent)) => Some("is gone".to_owned()),
                Some(Err(error)) => Some(error.reason),
            };
            match (layer.lost_since, lost) {
                (None, Some(reason)) => {
                    layer.lost_since = Some(Instant::now());
                    news.push(News::Lost(layer.id.clone(), reason));
                }
                (Some(_), None) => {
                    layer.lost_since = None;
                    news.push(News::Back(layer.id.clone()));
                }
                _ => {}
            }
        }
        news
    }

    /// What all sources say now.
    pub(super) fn contents(&self) -> Contents {
        let present = self.layers.iter().filter_map(|layer| {
            let content = layer.content.clone()?;
            Some((layer.id.clone(), content))
        });
        present.collect()
    }

    /// The sources that are gone or cannot be read, and since when.
    pub(super) fn lost(&self) -> Vec<(SourceId, Instant)> {
        let lost = self.layers.iter();
        lost.filter_map(|layer| Some((layer.id.clone(), layer.lost_since?)))
            .collect()
    }
}
