//! Access keys of applications.

use std::{
    collections::HashMap,
    time::{SystemTime, UNIX_EPOCH},
};

use super::Signature;
use crate::Secret;

/// How far a client's clock may be off, ms.
const SKEW_MS: u64 = 60_000;

/// A key that an application signs its requests with.
#[derive(Clone, Debug)]
pub struct AccessKey {
    /// The key.
    pub secret: Secret,
    /// Whether requests without a good signature are refused; else they are only told in the log.
    pub enforced: bool,
}

/// Access keys by application. One without keys signs nothing.
#[derive(Clone, Debug, Default)]
pub struct AccessKeys {
    keys: HashMap<String, Vec<AccessKey>>,
}

/// Why a request is refused, in Apollo's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Skewed,
    Unauthorized,
}

impl AccessKeys {
    /// Adds a key; an application may have several while one is replaced by another.
    pub fn add(&mut self, app: &str, key: AccessKey) {
        self.keys.entry(app.to_owned()).or_default().push(key);
    }

    /// Checks what a request of `app` shows. `asked` is its path and query in the forms that clients sign:
    /// as sent, and with the path decoded, which is what Go clients do.
    /// True when a good signature was shown, false when none is wanted.
    pub(super) fn check(
        &self,
        app: &str,
        authorization: &str,
        timestamp: &str,
        asked: &[String],
    ) -> Result<bool, Refused> {
        let keys = self.keys.get(app).map(Vec::as_slice).unwrap_or_default();
        let enforced = keys.iter().any(|key| key.enforced);
        if keys.is_empty() {
            return Ok(false);
        }
        let good = good(keys, app, authorization, timestamp, asked);
        match good {
            Err(refused) if enforced => Err(refused),
            Err(refused) => {
                tracing::warn!(app, ?refused, "a request without a good signature");
                Ok(false)
            }
            Ok(()) => Ok(true),
        }
    }
}

fn good(
    keys: &[AccessKey],
    app: &str,
    authorization: &str,
    timestamp: &str,
    asked: &[String],
) -> Result<(), Refused> {
    let sent: u64 = timestamp.parse().map_err(|_no_number| Refused::Skewed)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default().as_millis();
    if now.abs_diff(u128::from(sent)) > u128::from(SKEW_MS) {
        return Err(Refused::Skewed);
    }
    let signature = Signature::parse(authorization).filter(|it| it.app == app);
    let signature = signature.ok_or(Refused::Unauthorized)?;
    let is_good = keys.iter().any(|key| {
        let mut forms = asked.iter();
        forms.any(|asked| signature.is_by(&key.secret, timestamp, asked))
    });
    is_good.then_some(()).ok_or(Refused::Unauthorized)
}
