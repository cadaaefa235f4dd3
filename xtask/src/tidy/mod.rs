//! Checks what compilers do not: one file per subject, every finding reported at once.

mod dependencies;
mod facts;
mod files;
mod links;
mod metrics;

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};

use crate::{
    paths::Paths,
    run::{say, step},
};

/// A file of the repository that holds text.
pub(crate) struct Source {
    /// Path from the root of the repository, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Runs every check.
///
/// # Errors
/// When there is a finding; each was said before.
pub(crate) fn run(paths: &Paths) -> Result<()> {
    step("tidy", || {
        let sources = sources(paths)?;
        let mut findings = dependencies::check(paths)?;
        findings.extend(files::check(&sources));
        findings.extend(facts::check(&sources));
        findings.extend(links::check(&sources, &paths.root));
        findings.extend(metrics::check(&sources)?);
        for finding in &findings {
            say(format_args!("    {finding}"));
        }
        match findings.len() {
            0 => Ok(()),
            count => bail!("{count} findings"),
        }
    })
}

/// All text files of the repository; git is not asked, as a source archive has none.
fn sources(paths: &Paths) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    walk(paths, &paths.root, &mut sources)?;
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(sources)
}

fn walk(paths: &Paths, directory: &Path, sources: &mut Vec<Source>) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let file = entry?.path();
        if is_ignored(paths, &file) {
            continue;
        }
        if file.is_dir() {
            walk(paths, &file, sources)?;
            continue;
        }
        let bytes = fs::read(&file).with_context(|| format!("read {}", file.display()))?;
        if let Ok(text) = String::from_utf8(bytes) {
            let path = file.strip_prefix(&paths.root)?.to_string_lossy();
            sources.push(Source {
                path: path.into_owned(),
                text,
            });
        }
    }
    Ok(())
}

/// What `.gitignore` names, and git's own folder.
fn is_ignored(paths: &Paths, file: &Path) -> bool {
    let ours = [paths.root.join(".git"), paths.root.join("target")];
    ours.iter().any(|path| path == file)
        || paths.target == file
        || file.extension().is_some_and(|extension| extension == "tmp")
        || file.is_symlink()
}
