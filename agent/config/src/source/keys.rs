//! Keys of a key-value store become parts of a layer: the same rule for etcd and for Consul.

use std::{collections::BTreeMap, sync::Arc};

use super::{Content, Format, Part, Reading, Version};

/// Most keys of a source.
const MOST_KEYS: usize = 10_000;
/// Most bytes of all values of a source.
const MOST_BYTES: usize = 32 << 20;
/// Ends of keys whose values are whole documents.
const DOCUMENTS: [&str; 4] = ["json", "toml", "yaml", "yml"];

/// Keys with their values.
pub(super) type Rows = BTreeMap<Vec<u8>, Arc<[u8]>>;

/// Which keys of a store a source reads.
///
/// A name that ends with a slash is a folder, any other is one key.
///
/// One key holds a whole document: YAML, JSON or TOML by the end of its name, else by how it begins.
///
/// In a folder `config/app/`, the key `config/app/server/port` is one value and belongs at `server.port`: a
/// number or a boolean if it reads as one, else a text. A key that ends with `.yaml`, `.yml`, `.json` or
/// `.toml` is a whole document and belongs where its folder does: `config/app/server/limits.yaml` at
/// `server`. Documents that lie deeper win over those above them, among those of one folder the last in
/// the order of names does, and single values win over documents. A key that ends with a slash and has no
/// value only shows that the folder is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keys {
    /// One key: a whole document.
    Document(String),
    /// All keys that begin with this, which ends with a slash.
    Folder(String),
}

impl Keys {
    /// The keys that `name` stands for; `None` when it is empty.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        match name {
            "" => None,
            folder if folder.ends_with('/') => Some(Self::Folder(folder.to_owned())),
            key => Some(Self::Document(key.to_owned())),
        }
    }

    /// The key, or what all keys begin with.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Document(name) | Self::Folder(name) => name,
        }
    }

    /// What the keys say together; nothing when there are none. The reason speaks of keys and shows nothing
    /// of a value.
    pub(super) fn reading(&self, version: Version, rows: &Rows) -> Result<Reading, String> {
        check_size(rows)?;
        let parts = match self {
            Self::Document(key) => rows
                .get(key.as_bytes())
                .map(|bytes| document(key, &[], bytes))
                .into_iter()
                .collect(),
            Self::Folder(folder) => parts(folder, rows)?,
        };
        Ok(match parts.is_empty() {
            true => Reading::Absent,
            false => Reading::Present(Content { version, parts }),
        })
    }
}

fn check_size(rows: &Rows) -> Result<(), String> {
    if rows.len() > MOST_KEYS {
        return Err(format!(
            "there are {} keys; at most {MOST_KEYS} are read",
            rows.len()
        ));
    }
    let bytes: usize = rows.values().map(|value| value.len()).sum();
    match bytes > MOST_BYTES {
        true => Err(format!(
            "the values have {bytes} bytes; at most {MOST_BYTES} are read"
        )),
        false => Ok(()),
    }
}

fn parts(folder: &str, rows: &Rows) -> Result<Vec<Part>, String> {
    let (mut documents, mut values) = (Vec::new(), Vec::new());
    for (key, bytes) in rows {
        let key = std::str::from_utf8(key).map_err(|_not_text| {
            format!("the key {:?} is no text", String::from_utf8_lossy(key))
        })?;
        let rest = key.strip_prefix(folder).unwrap_or_default();
        let marks_a_folder = bytes.is_empty() && (rest.is_empty() || rest.ends_with('/'));
        if marks_a_folder {
            continue;
        }
        let steps: Vec<_> = rest.split('/').collect();
        if steps.contains(&"") {
            return Err(format!("the key {key:?} has a step without a name"));
        }
        match steps.split_last() {
            Some((name, above)) if is_document(name) => documents.push(document(key, above, bytes)),
            _ => values.push(value(key, &steps, bytes, rows)?),
        }
    }
    // Sorted by key already; what lies deeper comes later.
    documents.sort_by_key(|part| part.at.len());
    documents.append(&mut values);
    Ok(documents)
}

fn is_document(name: &str) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    extension.is_some_and(|it| DOCUMENTS.iter().any(|known| known.eq_ignore_ascii_case(it)))
}

fn document(key: &str, above: &[&str], bytes: &Arc<[u8]>) -> Part {
    Part {
        name: key.to_owned(),
        at: above.iter().map(|step| (*step).to_owned()).collect(),
        format: Format::of_file(key, bytes),
        bytes: Arc::clone(bytes),
    }
}

/// A single value. It cannot be a folder as well.
fn value(key: &str, steps: &[&str], bytes: &Arc<[u8]>, rows: &Rows) -> Result<Part, String> {
    let below = format!("{key}/").into_bytes();
    let next = rows.range(below.clone()..).next();
    if next.is_some_and(|(next, _)| next.starts_with(&below)) {
        return Err(format!(
            "the key {key:?} has a value, and there are keys below it"
        ));
    }
    Ok(Part {
        name: key.to_owned(),
        at: steps.iter().map(|step| (*step).to_owned()).collect(),
        format: Format::Scalar,
        bytes: Arc::clone(bytes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[(&str, &str)]) -> Rows {
        let row = |(key, value): &(&str, &str)| (key.as_bytes().to_vec(), value.as_bytes().into());
        rows.iter().map(row).collect()
    }

    fn read(name: &str, found: &[(&str, &str)]) -> Result<Reading, String> {
        let keys = Keys::of(name).expect("a name");
        keys.reading(Version("1".to_owned()), &rows(found))
    }

    /// `key at format` of every part, in order.
    fn told(reading: Reading) -> Vec<String> {
        let Reading::Present(content) = reading else {
            return Vec::new();
        };
        let tell = |part: Part| format!("{} {:?} {:?}", part.name, part.at.join("."), part.format);
        content.parts.into_iter().map(tell).collect()
    }

    #[test]
    fn keys_are_paths_and_documents_lie_in_their_folder() {
        let found = [
            ("app/", ""),
            ("app/a/deep/base.yaml", "x: 1"),
            ("app/a/port", "80"),
            ("app/all.json", "{}"),
            ("app/b.c", "text"),
            ("app/empty/", ""),
            ("app/more.TOML", ""),
        ];
        assert_eq!(
            told(read("app/", &found).expect("read")),
            [
                "app/all.json \"\" Json",
                "app/more.TOML \"\" Toml",
                "app/a/deep/base.yaml \"a.deep\" Yaml",
                "app/a/port \"a.port\" Scalar",
                "app/b.c \"b.c\" Scalar",
            ]
        );
    }

    #[test]
    fn one_key_is_a_whole_document() {
        let found = [("app", "{\"a\": 1}"), ("app/b", "2"), ("apple", "3")];
        assert_eq!(told(read("app", &found).expect("read")), ["app \"\" Json"]);
    }

    #[test]
    fn no_keys_say_nothing() {
        assert_eq!(read("app/", &[("app/", "")]), Ok(Reading::Absent));
        assert_eq!(read("app", &[("app/x", "1")]), Ok(Reading::Absent));
        assert_eq!(Keys::of(""), None);
    }

    #[test]
    fn keys_that_could_be_two_things_are_refused() {
        let both = read("app/", &[("app/db", "1"), ("app/db/host", "2")]);
        assert_eq!(
            both.expect_err("refused"),
            "the key \"app/db\" has a value, and there are keys below it"
        );
        // A key that only begins alike is another one.
        assert!(read("app/", &[("app/db", "1"), ("app/db-host", "2")]).is_ok());
        let nameless = read("app/", &[("app/a//b", "1")]);
        assert_eq!(
            nameless.expect_err("refused"),
            "the key \"app/a//b\" has a step without a name"
        );
        assert!(read("app/", &[("app/a/", "a value")]).is_err());
    }

    #[test]
    fn what_is_no_text_or_too_much_is_refused() {
        let keys = Keys::Folder("a/".to_owned());
        let version = || Version("1".to_owned());
        let odd = [(b"a/\xff".to_vec(), Arc::from(*b"1"))].into();
        assert!(keys.reading(version(), &odd).is_err());
        let many = (0..=MOST_KEYS).map(|nth| (format!("a/{nth}").into_bytes(), Arc::from(*b"1")));
        assert!(keys.reading(version(), &many.collect()).is_err());
    }
}
