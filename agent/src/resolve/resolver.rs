//! From an open file to what is known of it: asks the cache, else a child.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs::File,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::{
    BinaryInfo, ResolveError, Sandbox,
    cache::{Cache, FileKey, Resolved},
    child::Task,
    content::{Content, Outline, Reading},
    lines::{Frames, LineCache, MAX_ADDRESSES},
    report::Report,
    sandbox::PATIENCE,
    validate,
    wire::Answer,
};
use crate::discovery::BinaryKey;

/// Children at the same time.
const CHILDREN: usize = 2;
/// Larger files are no programs that anybody runs; nothing of them is read.
const MAX_FILE: u64 = 2 << 30;

/// Resolves binaries, each content once.
#[derive(Debug, Default)]
pub struct Resolver {
    sandbox: Sandbox,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    cache: Cache,
    lines: LineCache,
    /// Children that are running.
    children: usize,
    /// Outlines of the files that are being settled: others that may be the same wait for these.
    settling: HashSet<Outline>,
    /// Children by how they ended.
    outcomes: BTreeMap<&'static str, u64>,
}

impl Resolver {
    /// Uses these children.
    #[must_use]
    pub fn new(sandbox: Sandbox) -> Self {
        Self {
            sandbox,
            ..Self::default()
        }
    }

    /// Resolves an open binary. Takes tens of milliseconds for a new one: blocks.
    ///
    /// # Errors
    /// When it is no Go program that can be used, or reading it failed.
    pub fn resolve(&self, file: &File) -> Resolved {
        let key = file_key(file).map_err(Arc::new)?;
        if let Some(known) = self.state().cache.file(&key, Instant::now()) {
            return known;
        }
        let answer = self.resolve_content(file, &key);
        let now = Instant::now();
        self.state().cache.put_file(key, &answer, now);
        answer
    }

    /// Asks a child for everything there is to tell about a binary.
    ///
    /// # Errors
    /// As [`Resolver::resolve`].
    pub fn report(&self, file: &File) -> Result<Report, ResolveError> {
        too_large(key(file)?.size)?;
        match self.sandbox.ask(&Task::Report, file)? {
            Answer::Report(report) => Ok(*report),
            other => Err(verdict(other)),
        }
    }

    /// Names the functions and source lines of instructions, given as addresses as linked; answers as
    /// many as were asked for, in their order.
    ///
    /// A return address lies behind its call: ask for it less one. What was asked before of the same
    /// content costs nothing; else a child takes some tens of milliseconds per 1,024 addresses: blocks.
    ///
    /// # Errors
    /// As [`Resolver::resolve`]; an address without a source line is none, its frames are empty.
    pub fn lines(&self, file: &File, addresses: &[u64]) -> Result<Vec<Frames>, ResolveError> {
        let key = file_key(file)?;
        let content = self.content_of(file, &key)?;
        let mut found: HashMap<u64, Frames> = HashMap::new();
        let mut unknown = Vec::new();
        {
            let state = self.state();
            for &address in addresses {
                match state.lines.get(content, address) {
                    Some(frames) => drop(found.insert(address, frames)),
                    None => unknown.push(address),
                }
            }
        }
        unknown.sort_unstable();
        unknown.dedup();
        for asked in unknown.chunks(MAX_ADDRESSES) {
            let answer = self.in_turn(|| self.ask_lines(file, &key.binary, asked))?;
            let mut state = self.state();
            for (address, frames) in asked.iter().zip(answer) {
                state.lines.put(content, *address, &frames);
                found.insert(*address, frames);
            }
        }
        let frames = |address| found.get(address).map(Arc::clone).unwrap_or_default();
        Ok(addresses.iter().map(frames).collect())
    }

    /// Children that were started so far, by how they ended: `resolved`, or an error's word.
    #[must_use]
    pub fn outcomes(&self) -> BTreeMap<&'static str, u64> {
        self.state().outcomes.clone()
    }

    /// Waits while a file that may be the same is settled.
    fn resolve_content(&self, file: &File, key: &FileKey) -> Resolved {
        let outline = key.outline;
        let mut state = self.wait_while(|state| state.settling.contains(&outline));
        state.settling.insert(outline);
        let may_know = state.cache.may_know(&outline);
        drop(state);
        let answer = self.settle(file, key, may_know);
        self.state().settling.remove(&outline);
        self.changed.notify_all();
        answer
    }

    /// The whole content is read before a child is started only when that may save the child; else while
    /// it works.
    fn settle(&self, file: &File, key: &FileKey, may_know: bool) -> Resolved {
        let unreadable = |source| Arc::new(ResolveError::Read { source });
        let reading = Reading::start(file, key.binary.size, PATIENCE).map_err(unreadable)?;
        let (reading, content) = match may_know {
            true => (None, Some(reading.finish().map_err(unreadable)?)),
            false => (Some(reading), None),
        };
        if let Some(content) = content {
            let mut state = self.state();
            state.cache.put_file_content(*key, content);
            if let Some(known) = state.cache.content(&content) {
                return known;
            }
        }
        let answer = self.in_turn(|| self.ask(file, &key.binary));
        let outcome = answer
            .as_ref()
            .map_or_else(ResolveError::error_type, |_| "resolved");
        let answer = answer.map(Arc::new).map_err(Arc::new);
        // The child's place is free by now. A content that cannot be told is not remembered, that is all.
        let content = content.or_else(|| reading?.finish().ok());
        let mut state = self.state();
        *state.outcomes.entry(outcome).or_default() += 1;
        if let Some(content) = content {
            state.cache.put_file_content(*key, content);
            state.cache.put_content(key.outline, content, &answer);
        }
        answer
    }

    /// The content of a file, read when it is not known yet.
    fn content_of(&self, file: &File, key: &FileKey) -> Result<Content, ResolveError> {
        if let Some(known) = self.state().cache.file_content(key) {
            return Ok(known);
        }
        let content = Reading::start(file, key.binary.size, PATIENCE)
            .and_then(Reading::finish)
            .map_err(|source| ResolveError::Read { source })?;
        self.state().cache.put_file_content(*key, content);
        Ok(content)
    }

    fn ask_lines(
        &self,
        file: &File,
        before: &BinaryKey,
        addresses: &[u64],
    ) -> Result<Vec<Frames>, ResolveError> {
        let answer = self.sandbox.ask(&Task::Lines(addresses.to_vec()), file)?;
        if key(file)? != *before {
            return Err(ResolveError::Changed);
        }
        match answer {
            Answer::Lines(lines) => lines
                .into_frames(addresses.len())
                .map_err(|problem| ResolveError::BadAnswer { problem }),
            other => Err(verdict(other)),
        }
    }

    /// Waits while too many children run.
    fn in_turn<T>(&self, run: impl FnOnce() -> T) -> T {
        let mut state = self.wait_while(|state| state.children >= CHILDREN);
        state.children += 1;
        drop(state);
        let done = run();
        self.state().children -= 1;
        self.changed.notify_all();
        done
    }

    fn wait_while(&self, busy: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        self.changed
            .wait_while(self.state(), |state| busy(state))
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, file: &File, before: &BinaryKey) -> Result<BinaryInfo, ResolveError> {
        let answer = self.sandbox.ask(&Task::Binary, file)?;
        // About a file that was written to meanwhile, it would be true of neither content.
        if key(file)? != *before {
            return Err(ResolveError::Changed);
        }
        match answer {
            Answer::Binary(info) => match validate::check(&info, before.size) {
                Ok(()) => Ok(*info),
                Err(problem) => Err(ResolveError::BadAnswer { problem }),
            },
            other => Err(verdict(other)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(file: &File) -> Result<BinaryKey, ResolveError> {
    match file.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(BinaryKey::of(&metadata)),
        Ok(_) => Err(ResolveError::refused(
            "not_regular",
            "it is no regular file".to_owned(),
        )),
        Err(source) => Err(ResolveError::Read { source }),
    }
}

fn file_key(file: &File) -> Result<FileKey, ResolveError> {
    let binary = key(file)?;
    too_large(binary.size)?;
    let outline = Outline::of(file, binary.size).map_err(|source| ResolveError::Read { source })?;
    Ok(FileKey { binary, outline })
}

fn too_large(bytes: u64) -> Result<(), ResolveError> {
    match bytes > MAX_FILE {
        true => Err(ResolveError::TooLarge {
            bytes,
            limit: MAX_FILE,
        }),
        false => Ok(()),
    }
}

/// What an answer without facts says.
fn verdict(answer: Answer) -> ResolveError {
    match answer {
        Answer::Refused { kind, message } => ResolveError::refused(&kind, message),
        Answer::Panicked { message } => ResolveError::Panicked { message },
        Answer::NoScratch { message } => ResolveError::NoScratch {
            directory: std::env::temp_dir(),
            message,
        },
        Answer::Unconfined { step, message } => ResolveError::Unconfined { step, message },
        Answer::Binary(_) | Answer::Report(_) | Answer::Lines(_) => ResolveError::BadAnswer {
            problem: "it answers another question".to_owned(),
        },
    }
}
