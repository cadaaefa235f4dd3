//! Reading a file or a folder so that all of it is of one version.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    thread,
    time::{Duration, SystemTime},
};

use state::sha256_hex;

use super::chain::DATA;
use crate::{Content, Format, Part, Reading, SourceError, Version, format::MOST_BYTES};

/// How often a file that changes while it is read is read again.
const TRIES: usize = 20;

/// How long a writer has that empties a file before it fills it.
const REFILL: Duration = Duration::from_millis(50);

/// Most files of a folder.
const MOST_FILES: usize = 256;

/// Reads what `path` leads to now.
///
/// # Errors
/// When it cannot be read, is no file or folder, is too large, or does not stop changing.
pub(super) fn read(path: &Path, format: Option<Format>) -> Result<Reading, SourceError> {
    let failed = |error: io::Error| SourceError {
        place: path.display().to_string(),
        reason: error.to_string(),
    };
    for _ in 0..TRIES {
        match once(path, format) {
            Ok(Some(content)) => return Ok(Reading::Present(content)),
            Ok(None) => thread::sleep(REFILL),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // In the middle of a swap the old folder is gone already; the link says what is true.
                match path.try_exists() {
                    Ok(true) => thread::sleep(REFILL / 10),
                    Ok(false) => return Ok(Reading::Absent),
                    Err(error) => return Err(failed(error)),
                }
            }
            Err(error) => return Err(failed(error)),
        }
    }
    Err(failed(io::Error::other("changes all the time")))
}

/// Reads once; `None` when it changed meanwhile or is being written.
fn once(path: &Path, format: Option<Format>) -> io::Result<Option<Content>> {
    let real = real_path(path)?;
    let mut parts = Vec::new();
    for file in files(path, &real)? {
        let Some(bytes) = settled(&file.real)? else {
            return Ok(None);
        };
        let format = format.unwrap_or_else(|| Format::of_file(&file.name, &bytes));
        parts.push(Part {
            name: file.name,
            at: Vec::new(),
            format,
            bytes: bytes.into(),
        });
    }
    if real_path(path)? != real {
        return Ok(None);
    }
    let version = Version(version(&real, &parts));
    Ok(Some(Content { version, parts }))
}

/// Where `path` leads to. Of a mounted ConfigMap: the folder of its present version.
fn real_path(path: &Path) -> io::Result<PathBuf> {
    let data = path.join(DATA);
    match data.is_dir() {
        true => data.canonicalize(),
        false => path.canonicalize(),
    }
}

struct Named {
    /// As the user knows it.
    name: String,
    real: PathBuf,
}

fn files(path: &Path, real: &Path) -> io::Result<Vec<Named>> {
    if !real.is_dir() {
        let name = path.display().to_string();
        let real = real.to_owned();
        return Ok(vec![Named { name, real }]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(real)? {
        let entry = entry?;
        let name = entry.file_name();
        if !name.as_encoded_bytes().starts_with(b".") && entry.path().is_file() {
            found.push(Named {
                name: path.join(&name).display().to_string(),
                real: entry.path(),
            });
        }
        if found.len() > MOST_FILES {
            return Err(io::Error::other(format!(
                "has more than {MOST_FILES} files"
            )));
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The bytes of a file, if it did not change while it was read and is not about to be filled.
fn settled(path: &Path) -> io::Result<Option<Vec<u8>>> {
    // Asked first: opening a pipe would wait for its writer.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("is no regular file"));
    }
    let mut file = File::open(path)?;
    let before = file.metadata()?;
    if before.len() > MOST_BYTES as u64 {
        let size = before.len();
        let message = format!("has {size} bytes; at most {MOST_BYTES} are read");
        return Err(io::Error::other(message));
    }
    let mut bytes = Vec::new();
    file.by_ref()
        .take(MOST_BYTES as u64 + 1)
        .read_to_end(&mut bytes)?;
    let after = file.metadata()?;
    let is_stable = stamp(&before) == stamp(&after) && bytes.len() as u64 == after.len();
    let is_filling = bytes.is_empty() && is_young(&after);
    Ok((is_stable && !is_filling).then_some(bytes))
}

fn stamp(metadata: &Metadata) -> (u64, u64, i64, i64, u64) {
    let (seconds, nanoseconds) = (metadata.mtime(), metadata.mtime_nsec());
    (
        metadata.dev(),
        metadata.ino(),
        seconds,
        nanoseconds,
        metadata.len(),
    )
}

fn is_young(metadata: &Metadata) -> bool {
    let age = metadata
        .modified()
        .ok()
        .and_then(|modified| SystemTime::now().duration_since(modified).ok());
    age.is_none_or(|age| age < REFILL)
}

/// The name of the ConfigMap's folder, else the beginning of the content's hash.
fn version(real: &Path, parts: &[Part]) -> String {
    let mut folders = real.components().rev().take(2);
    let of_config_map = folders.find_map(|step| {
        let name = step.as_os_str().to_str()?;
        (name.starts_with("..") && name.len() > 2).then(|| name.to_owned())
    });
    of_config_map.unwrap_or_else(|| {
        let all: Vec<u8> = parts
            .iter()
            .flat_map(|part| part.bytes.iter().copied())
            .collect();
        sha256_hex(&all).chars().take(12).collect()
    })
}
