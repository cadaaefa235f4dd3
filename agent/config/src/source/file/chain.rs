//! The folders whose entries decide what a path leads to.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ffi::OsString,
    fs,
    path::{Component, Path, PathBuf},
};

/// Most links that are followed, as in the kernel.
const MOST_LINKS: usize = 40;

/// Names to look out for, by folder; an empty set is any name that is not hidden.
pub(super) type Chain = BTreeMap<PathBuf, BTreeSet<OsString>>;

/// What a mounted ConfigMap's current version is linked from.
pub(super) const DATA: &str = "..data";

/// The folders that hold a link on the way to `path`, or the file itself. Where the way ends before the
/// file, the last folder that is there: the rest may appear in it.
pub(super) fn of(path: &Path) -> Chain {
    let mut chain = Chain::new();
    let mut links = 0;
    let mut here = PathBuf::new();
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut ahead: VecDeque<PathBuf> = steps(&absolute);
    while let Some(step) = ahead.pop_front() {
        if step == Path::new("..") {
            here.pop();
            continue;
        }
        let next = here.join(&step);
        let target = fs::read_link(&next).ok();
        let is_last = ahead.is_empty();
        if target.is_some() || is_last || !next.exists() {
            let names = chain.entry(here.clone()).or_default();
            names.insert(step.clone().into_os_string());
        }
        match target {
            Some(target) if links < MOST_LINKS => {
                links += 1;
                if target.is_absolute() {
                    here = PathBuf::new();
                }
                for step in steps(&target).into_iter().rev() {
                    ahead.push_front(step);
                }
            }
            // A way that leads nowhere, or in circles, ends here.
            Some(_) => return chain,
            None if !next.exists() => return chain,
            None => here = next,
        }
    }
    if here.is_dir() {
        chain.insert(here, BTreeSet::new());
    }
    chain
}

fn steps(path: &Path) -> VecDeque<PathBuf> {
    let kept = path
        .components()
        .filter(|step| !matches!(step, Component::CurDir));
    kept.map(|step| PathBuf::from(step.as_os_str())).collect()
}
