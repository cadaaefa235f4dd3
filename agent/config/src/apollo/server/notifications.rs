//! `/notifications/v2`: a long poll for what has changed.

use std::collections::BTreeMap;

use futures_util::{FutureExt, future::select_all};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use state::Revision;

use super::{
    super::{
        DEFAULT_CLUSTER, Key,
        board::{Releases, places},
        name::normal,
    },
    Server,
    answer::Answer,
    request::Notifications,
};
use listen::ending;

/// Namespaces that one client may ask for, as many as an application of Apollo may have.
const MOST: usize = 200;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Known {
    namespace_name: String,
    #[serde(default = "nothing")]
    notification_id: i64,
}

fn nothing() -> i64 {
    -1
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct News<'a> {
    namespace_name: &'a str,
    notification_id: u64,
    messages: Messages,
}

#[derive(Serialize)]
struct Messages {
    details: BTreeMap<String, u64>,
}

/// A namespace that a client waits for.
struct Awaited {
    /// As the client spells it.
    name: String,
    seen: i64,
    /// Wherever it may be released.
    places: Vec<Key>,
}

impl Server {
    pub(super) async fn notifications(&self, asked: Notifications) -> Answer {
        let known: Option<Vec<Known>> = serde_json::from_str(&asked.known).ok();
        let Some(known) = known.filter(|known| (1..=MOST).contains(&known.len())) else {
            let text = format!("Invalid format of notifications: {}", asked.known);
            return Answer::text(StatusCode::BAD_REQUEST, text);
        };
        let awaited = self.awaited(&asked, known);
        drop(asked);
        if awaited.is_empty() {
            return Answer::text(StatusCode::BAD_REQUEST, "Invalid app, cluster or namespace");
        }
        let places: Vec<Key> = awaited.iter().flat_map(|it| it.places.clone()).collect();
        let answer = self.news_of(&awaited, &places).await;
        self.board.forget_unheard(&places);
        answer
    }

    async fn news_of(&self, awaited: &[Awaited], places: &[Key]) -> Answer {
        let mut ends = self.ends.clone();
        let deadline = tokio::time::sleep(self.settings.hold);
        tokio::pin!(deadline);
        // Heard first, looked at afterwards: what is published in between is not missed.
        let mut heard: Vec<_> = places.iter().map(|it| self.board.subscribe(it)).collect();
        loop {
            let news = news(&self.board.releases(), awaited);
            if let Some(answer) = news {
                return answer;
            }
            let changes = heard.iter_mut().map(|it| it.changed().boxed());
            tokio::select! {
                (_changed, _, _) = select_all(changes) => {}
                () = &mut deadline => return Answer::unchanged(),
                () = ending(&mut ends) => return Answer::unchanged(),
            }
        }
    }

    /// What is waited for. Two spellings of one namespace are one, with what was seen last.
    fn awaited(&self, asked: &Notifications, known: Vec<Known>) -> Vec<Awaited> {
        let releases = self.board.releases();
        let cluster = match asked.cluster.as_str() {
            "" => DEFAULT_CLUSTER,
            cluster => cluster,
        };
        let mut by_name = BTreeMap::<String, Awaited>::new();
        for known in known {
            let name = normal(&known.namespace_name);
            let place = |app| places(app, cluster, &asked.data_center, &name);
            let mut places = place(&asked.app);
            if let Some(owner) = releases.owner(&asked.app, &name) {
                places.extend(place(owner));
            }
            if places.is_empty() {
                continue;
            }
            let awaited = by_name.entry(name).or_insert(Awaited {
                name: known.namespace_name,
                seen: known.notification_id,
                places,
            });
            awaited.seen = awaited.seen.max(known.notification_id);
        }
        by_name.into_values().collect()
    }
}

/// The answer, if anything differs from what was seen. Differs, not exceeds: after a restored snapshot it
/// may be less.
fn news(releases: &Releases, awaited: &[Awaited]) -> Option<Answer> {
    let news: Vec<_> = awaited
        .iter()
        .filter_map(|awaited| {
            let found = releases.notifications(&awaited.places);
            let details: BTreeMap<_, _> = found
                .map(|(key, Revision(revision))| (key.to_string(), revision))
                .collect();
            let newest = *details.values().max()?;
            let is_seen = u64::try_from(awaited.seen).is_ok_and(|seen| seen == newest);
            (!is_seen).then_some(News {
                namespace_name: &awaited.name,
                notification_id: newest,
                messages: Messages { details },
            })
        })
        .collect();
    (!news.is_empty()).then(|| Answer::json(&news))
}
