//! Which function and source line is this address? Asked of the child, kept by content.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use symbols::GoBinary;

use super::content::Content;

/// Addresses of one question at most; they travel in the child's arguments.
pub(super) const MAX_ADDRESSES: usize = 1_024;
/// Inlined calls around one instruction at most, as in `symbols`.
const MAX_DEPTH: usize = 256;
/// Bytes that answers may take in memory, of all binaries together.
const MEMORY: usize = 16 << 20;

/// A source line of an instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Full name, such as `main.(*pool).worker.func1`.
    pub function: Arc<str>,
    /// Path as the compiler wrote it.
    pub file: Arc<str>,
    /// Line in the file, from 1.
    pub line: u32,
    /// The call was inlined into the next frame.
    pub inlined: bool,
}

/// The frames of one address, innermost first; the last is the function whose body holds it. Empty when
/// the binary does not say.
pub type Frames = Arc<[Frame]>;

/// What the child answers: each text once, for most addresses share their files.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LinesAnswer {
    /// Names and paths.
    texts: Vec<String>,
    /// For each address its frames: function, file (numbers of texts), line, inlined.
    frames: Vec<Vec<(u32, u32, u32, bool)>>,
}

impl LinesAnswer {
    /// Looks the addresses up; one that no line covers has no frames.
    pub(super) fn of(binary: &GoBinary<'_>, addresses: &[u64]) -> Self {
        let mut texts = Texts::default();
        let frames = addresses.iter().map(|address| {
            let frames = binary.frames_at(*address).unwrap_or_default();
            let number = |frame: symbols::Frame| {
                (
                    texts.number(frame.function),
                    texts.number(frame.file),
                    frame.line,
                    frame.inlined,
                )
            };
            frames.into_iter().map(number).collect()
        });
        Self {
            frames: frames.collect(),
            texts: texts.in_order(),
        }
    }

    /// Checks an answer to a question for `count` addresses and takes it apart.
    ///
    /// # Errors
    /// What cannot be true.
    pub(super) fn into_frames(self, count: usize) -> Result<Vec<Frames>, String> {
        if self.frames.len() != count {
            return Err(format!("{} of {count} addresses", self.frames.len()));
        }
        let texts: Vec<Arc<str>> = self.texts.into_iter().map(Arc::from).collect();
        let text = |number: u32| {
            let text = usize::try_from(number).ok().and_then(|at| texts.get(at));
            text.map(Arc::clone)
                .ok_or_else(|| format!("no text {number}"))
        };
        let frames = |numbers: Vec<(u32, u32, u32, bool)>| {
            let outermost = numbers.len().saturating_sub(1);
            if numbers.len() > MAX_DEPTH {
                return Err(format!("{} frames at one address", numbers.len()));
            }
            let frame = |(depth, (function, file, line, inlined))| {
                if inlined == (depth == outermost) {
                    return Err("inlined calls without a function around them".to_owned());
                }
                Ok(Frame {
                    function: text(function)?,
                    file: text(file)?,
                    line,
                    inlined,
                })
            };
            numbers.into_iter().enumerate().map(frame).collect()
        };
        self.frames.into_iter().map(frames).collect()
    }
}

/// Numbers texts in the order in which they are met.
#[derive(Default)]
struct Texts(BTreeMap<String, u32>);

impl Texts {
    fn number(&mut self, text: String) -> u32 {
        let next = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        *self.0.entry(text).or_insert(next)
    }

    fn in_order(self) -> Vec<String> {
        let mut texts: Vec<(String, u32)> = self.0.into_iter().collect();
        texts.sort_unstable_by_key(|(_, number)| *number);
        texts.into_iter().map(|(text, _)| text).collect()
    }
}

/// Writes addresses as one argument of the child.
pub(super) fn to_argument(addresses: &[u64]) -> String {
    let words: Vec<String> = addresses.iter().map(|at| format!("{at:x}")).collect();
    words.join(",")
}

/// Reads [`to_argument`]'s text.
pub(super) fn from_argument(text: &str) -> Option<Vec<u64>> {
    let words = text.split(',').filter(|word| !word.is_empty());
    words
        .map(|word| u64::from_str_radix(word, 16).ok())
        .collect()
}

/// Frames that were asked for before.
#[derive(Debug, Default)]
pub(super) struct LineCache {
    known: HashMap<(Content, u64), Frames>,
    bytes: usize,
}

impl LineCache {
    pub(super) fn get(&self, content: Content, address: u64) -> Option<Frames> {
        self.known.get(&(content, address)).map(Arc::clone)
    }

    pub(super) fn put(&mut self, content: Content, address: u64, frames: &Frames) {
        // A full cache is emptied: to fill it again costs a child for each binary.
        if self.bytes >= MEMORY {
            self.known.clear();
            self.bytes = 0;
        }
        self.bytes += cost(frames);
        self.known.insert((content, address), Arc::clone(frames));
    }
}

/// Bytes an entry takes, as if it shared no text with another.
fn cost(frames: &Frames) -> usize {
    let texts = frames.iter().map(|frame| {
        size_of::<Frame>()
            .saturating_add(frame.function.len())
            .saturating_add(frame.file.len())
    });
    texts.sum::<usize>().saturating_add(96)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(frames: Vec<Vec<(u32, u32, u32, bool)>>) -> LinesAnswer {
        LinesAnswer {
            texts: vec!["main.main".to_owned(), "/main.go".to_owned()],
            frames,
        }
    }

    #[test]
    fn a_true_answer_is_taken_apart() {
        let told = answer(vec![vec![(0, 1, 7, true), (0, 1, 9, false)], vec![]]);
        let frames = told.into_frames(2).expect("can be true");
        assert_eq!(&*frames[0][0].function, "main.main");
        assert_eq!((&*frames[0][1].file, frames[0][1].line), ("/main.go", 9));
        assert!(frames[1].is_empty());
    }

    #[test]
    fn an_answer_that_cannot_be_true_is_refused() {
        for (frames, count) in [
            (vec![], 1),
            (vec![vec![]], 0),
            (vec![vec![(2, 1, 7, false)]], 1),
            (vec![vec![(0, 2, 7, false)]], 1),
            (vec![vec![(0, 1, 7, true)]], 1),
            (vec![vec![(0, 1, 7, false), (0, 1, 8, false)]], 1),
            (vec![vec![(0, 1, 7, true); MAX_DEPTH + 1]], 1),
        ] {
            assert!(
                answer(frames.clone()).into_frames(count).is_err(),
                "{frames:?}"
            );
        }
    }

    #[test]
    fn a_question_fits_into_one_argument_and_reads_back() {
        let addresses = vec![u64::MAX; MAX_ADDRESSES];
        let argument = to_argument(&addresses);
        // MAX_ARG_STRLEN
        assert!(argument.len() < 128 << 10);
        assert_eq!(from_argument(&argument), Some(addresses));
        assert_eq!(from_argument(""), Some(vec![]));
        assert_eq!(from_argument("12,x"), None);
    }
}
