//! Masks known secrets wherever they stand in a text.
//!
//! The masker holds no secret: of each it keeps its length, a keyed hash of its first bytes to find where
//! one may begin, and a keyed SHA-256 to be sure. So what it knows outlives the secrets, and old ones stay
//! masked in logs that are read later.

use std::{
    collections::{BTreeMap, HashMap, VecDeque, hash_map::RandomState},
    fmt,
    hash::BuildHasher,
    sync::{PoisonError, RwLock},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use ring::{
    hmac::{self, HMAC_SHA256},
    rand::{SystemRandom, generate},
};
use zeroize::Zeroizing;

use crate::{Data, Mask, Path, Secret, secret::MASKED};

/// Bytes by which the beginning of a secret is found.
const LONG: usize = 8;
/// The same for short secrets. Still shorter ones are masked only where they are the whole text.
const SHORT: usize = 4;
/// Forms that are kept; the oldest are forgotten.
const MOST: usize = 40_000;
/// Bytes of a line of a long secret (a key in PEM) that is masked by itself.
const LINE: usize = 16;

/// Replaces known secrets by `***`: as they are, as in JSON, in base64, and as in a URL.
pub struct Masker {
    hash: RandomState,
    key: hmac::Key,
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    /// By the hash of the first bytes: the lengths and full hashes of the secrets that begin so, longest
    /// first.
    long: HashMap<u64, Vec<Form>>,
    short: HashMap<u64, Vec<Form>>,
    /// Secrets shorter than [`SHORT`].
    tiny: HashMap<u64, Vec<Form>>,
    /// In the order they were learnt.
    order: VecDeque<(usize, u64, Form)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Form {
    length: usize,
    digest: [u8; 32],
}

impl fmt::Debug for Masker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Masker").finish_non_exhaustive()
    }
}

impl Default for Masker {
    fn default() -> Self {
        Self::new()
    }
}

impl Masker {
    /// One that knows no secret.
    #[must_use]
    pub fn new() -> Self {
        // Without random numbers hashes could be guessed by who reads our memory, who has the secrets anyway.
        let random = generate::<[u8; 32]>(&SystemRandom::new()).map(ring::rand::Random::expose);
        let key = random.unwrap_or_default();
        Self {
            hash: RandomState::new(),
            key: hmac::Key::new(HMAC_SHA256, &key),
            known: RwLock::default(),
        }
    }

    /// Masks this secret from now on.
    pub fn learn(&self, secret: &Secret) {
        let text = secret.expose();
        self.learn_form(text.as_bytes());
        if text.len() < SHORT {
            return;
        }
        let json = Zeroizing::new(serde_json::to_string(text).unwrap_or_default());
        let json = json
            .strip_prefix('"')
            .and_then(|json| json.strip_suffix('"'));
        self.learn_form(json.unwrap_or_default().as_bytes());
        self.learn_form(Zeroizing::new(STANDARD.encode(text)).as_bytes());
        let url = utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        self.learn_form(Zeroizing::new(url).as_bytes());
        for line in text.lines().map(str::trim) {
            if line.len() >= LINE && line.len() < text.len() {
                self.learn_form(line.as_bytes());
            }
        }
    }

    fn learn_form(&self, form: &[u8]) {
        if form.is_empty() {
            return;
        }
        let window = window(form.len());
        let beginning = self.hash.hash_one(form.get(..window).unwrap_or(form));
        let form = Form {
            length: form.len(),
            digest: self.digest(form),
        };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(window, beginning, form);
    }

    /// `text` with `***` in place of every known secret.
    #[must_use]
    pub fn mask(&self, text: &str) -> String {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let bytes = text.as_bytes();
        if known.order.is_empty() {
            return text.to_owned();
        }
        if bytes.len() < SHORT {
            let is_known = self.length_at(&known.tiny, bytes, bytes.len()) == Some(bytes.len());
            return if is_known { MASKED } else { text }.to_owned();
        }
        let mut out = String::with_capacity(text.len());
        let (mut at, mut copied) = (0, 0);
        while at < bytes.len() {
            let rest = bytes.get(at..).unwrap_or_default();
            let long = self.length_at(&known.long, rest, LONG);
            let found = long.or_else(|| self.length_at(&known.short, rest, SHORT));
            let Some(length) = found else {
                at += 1;
                continue;
            };
            // Secrets are text, so they begin and end between characters.
            out.push_str(text.get(copied..at).unwrap_or_default());
            out.push_str(MASKED);
            at += length;
            copied = at;
        }
        out.push_str(text.get(copied..).unwrap_or_default());
        out
    }

    /// Length of the longest known secret that `rest` begins with.
    fn length_at(
        &self,
        table: &HashMap<u64, Vec<Form>>,
        rest: &[u8],
        window: usize,
    ) -> Option<usize> {
        if table.is_empty() {
            return None;
        }
        let forms = table.get(&self.hash.hash_one(rest.get(..window)?))?;
        // Several secrets of one length are hashed once.
        let mut digests = BTreeMap::new();
        let found = forms.iter().find(|form| {
            let Some(candidate) = rest.get(..form.length) else {
                return false;
            };
            let digest = digests
                .entry(form.length)
                .or_insert_with(|| self.digest(candidate));
            *digest == form.digest
        });
        found.map(|form| form.length)
    }

    fn digest(&self, bytes: &[u8]) -> [u8; 32] {
        let tag = hmac::sign(&self.key, bytes);
        let mut digest = [0; 32];
        digest.copy_from_slice(tag.as_ref());
        digest
    }
}

fn window(length: usize) -> usize {
    match length {
        LONG.. => LONG,
        SHORT.. => SHORT,
        _ => length,
    }
}

impl Known {
    fn table(&mut self, window: usize) -> &mut HashMap<u64, Vec<Form>> {
        match window {
            LONG => &mut self.long,
            SHORT => &mut self.short,
            _ => &mut self.tiny,
        }
    }

    fn insert(&mut self, window: usize, beginning: u64, form: Form) {
        let forms = self.table(window).entry(beginning).or_default();
        if forms.contains(&form) {
            return;
        }
        let place = forms.partition_point(|other| other.length > form.length);
        forms.insert(place, form);
        self.order.push_back((window, beginning, form));
        if self.order.len() > MOST
            && let Some((window, beginning, oldest)) = self.order.pop_front()
            && let Some(forms) = self.table(window).get_mut(&beginning)
        {
            forms.retain(|form| *form != oldest);
            if forms.is_empty() {
                self.table(window).remove(&beginning);
            }
        }
    }
}

impl Mask for Masker {
    fn hides(&self, _: &Path, data: &Data) -> bool {
        matches!(data, Data::Secret(_))
    }

    fn text(&self, text: &str) -> String {
        self.mask(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masker(secrets: &[&str]) -> Masker {
        let masker = Masker::new();
        for secret in secrets {
            masker.learn(&Secret::new((*secret).to_owned()));
        }
        masker
    }

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        let masker = masker(&["hunter2", "a longer secret", "pass \"quoted\"", "äöü€"]);
        for (text, masked) in [
            ("hunter2", "***"),
            ("dial tcp: password=hunter2&x", "dial tcp: password=***&x"),
            ("hunter2hunter2", "******"),
            ("a longer secre", "a longer secre"),
            ("an a longer secret.", "an ***."),
            (r#"{"p":"pass \"quoted\""}"#, r#"{"p":"***"}"#),
            ("YSBsb25nZXIgc2VjcmV0 in base64", "*** in base64"),
            ("?p=a%20longer%20secret", "?p=***"),
            ("ääöü€ö", "ä***ö"),
            ("", ""),
        ] {
            assert_eq!(masker.mask(text), masked);
        }
    }

    #[test]
    fn the_longest_secret_wins_and_the_mask_tells_nothing_of_it() {
        let masker = masker(&["secret-1", "secret-1-and-more", "secret-1-and"]);
        assert_eq!(masker.mask("x secret-1-and-more y"), "x *** y");
        assert_eq!(masker.mask("x secret-1-and-less y"), "x ***-less y");
    }

    #[test]
    fn a_secret_too_short_to_find_is_masked_where_it_is_the_whole_text() {
        let masker = masker(&["abc"]);
        assert_eq!(masker.mask("abc"), "***");
        assert_eq!(masker.mask("abcd"), "abcd");
    }

    #[test]
    fn each_line_of_a_key_is_masked() {
        let masker = masker(&["-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\nAQEF\n"]);
        assert_eq!(masker.mask("read MIIEvQIBADANBgkqhkiG9w0B!"), "read ***!");
    }

    #[test]
    fn what_is_known_is_bounded() {
        let masker = Masker::new();
        for number in 0..MOST + 10 {
            masker.learn_form(format!("secret number {number}").as_bytes());
        }
        assert_eq!(masker.mask("secret number 0"), "secret number 0");
        assert_eq!(masker.mask(&format!("secret number {MOST}")), "***");
        let known = masker.known.read().unwrap();
        assert_eq!(known.order.len(), MOST);
    }
}
