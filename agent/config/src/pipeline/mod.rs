//! The way from sources to a generation in force.
//!
//! One task per document: it waits for sources, lets them come to rest, builds, prepares, commits, and
//! watches how it goes. Whatever fails leaves the running generation as it is.

mod apply;
mod boot;
mod build;
mod command;
mod definition;
mod health;
mod layers;
mod once;
mod run;
mod watcher;

pub(crate) use build::build_kept;
pub use command::CommandError;
pub use definition::{Definition, Timing};
pub use once::{Refused, read_once};
pub use watcher::{Handle, Hooks, Status, Watcher};

use crate::{Content, Problem, SourceId, Stage};

/// What sources say, lowest precedence first.
type Contents = Vec<(SourceId, Content)>;

/// Why a change is refused.
#[derive(Clone, Debug)]
struct Rejection {
    stage: Stage,
    problems: Vec<Problem>,
    /// The same content may pass later, without being changed.
    is_transient: bool,
}

impl Rejection {
    fn new(stage: Stage, problems: Vec<Problem>) -> Self {
        Self {
            stage,
            problems,
            is_transient: false,
        }
    }
}
