//! A target's binary becomes a [`BinaryInfo`]: what can be attached where, and what cannot and why.
//!
//! The agent itself never parses a binary, which anybody may have made:
//!
//! ```text
//! Resolver   open file -> cached answer, else same content -> cached answer, else
//! Sandbox    a child process: the open file goes in, an Answer comes out
//!   child    no rights, no network, few system calls; maps the file and asks `symbols`
//! wire       the Answer as untrusted bytes; validate: may it be used for this file?
//! ```

mod binary;
mod cache;
mod child;
mod content;
mod error;
mod gc_offsets;
mod lines;
mod offsets;
mod plan;
pub mod report;
mod resolver;
mod sandbox;
mod site_names;
mod sites;
mod validate;
mod wire;
mod writers;

pub use binary::{BinaryInfo, Segment, Site};
pub use cache::Resolved;
pub use child::run_if_asked;
pub use error::ResolveError;
pub use lines::{Frame, Frames};
pub use report::Report;
pub use resolver::Resolver;
pub use sandbox::Sandbox;
pub use site_names::CreationSite;
pub use sites::{WANTED, Wanted};
pub use writers::Writers;

use plan::{Plan, Verdict};
