//! Bytes of a Go binary in; functions, probe sites, layouts, variables and provenance out.
//!
//! The crate takes `&[u8]` and does no I/O. What it cannot know it reports as [`Unresolved`] with a
//! reason; nothing is guessed, and every fact says where it was read ([`Provenance`]).
//!
//! # Source      Go 1.17 to 1.27, linux/amd64 and linux/arm64
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation
    )
)]

mod binary;
mod budget;
mod build_mode;
mod buildinfo;
mod bytes;
mod code;
mod error;
mod expand;
mod fact;
mod functions;
mod image;
mod layout;
mod lines;
mod modinfo;
mod moduledata;
mod notes;
mod refusal;
mod relocations;
mod scratch;
mod tables;
mod version;

pub use binary::{GoBinary, MapKind, Sources};
pub use budget::{Limits, Spent};
pub use build_mode::{Build, BuildMode, Modules};
pub use error::{Error, Reason, Unresolved};
pub use fact::{
    AfterCall, Confidence, Fact, Frame, Function, FunctionSource, InlinedInto, LayoutSource, Place,
    ProbeSite, Provenance, Register, SiteKind, Variable,
};
pub use image::{Machine, Segment};
pub use layout::Layouts;
pub use modinfo::{BuildInfo, Module};
pub use scratch::{Fill, Kept, MemoryScratch, Scratch};
pub use tables::reference;
pub use version::GoVersion;
