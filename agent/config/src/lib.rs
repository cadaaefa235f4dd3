//! The node's config watcher: documents from several sources become one validated generation.
//!
//! A document has a name, and layers from one or more [`Source`]s. Its layers are parsed (every value keeps
//! its place), sealed values are opened, layers are merged by precedence, and the result is validated. Only
//! then is it committed to the node's durable state, published in [`Documents`], and handed to its
//! [`Component`]s, as one [`Published`] generation. Whatever fails on the way leaves the running generation
//! untouched and is told as an [`Event`].
//!
//! The crate knows nothing of the registry and of eBPF.
#![forbid(unsafe_code)]

mod clock;
mod documents;
mod event;
mod format;
mod history;
mod hooks;
mod path;
mod pipeline;
mod problem;
mod schema;
mod secret;
pub mod serve;
mod source;
mod value;

pub use documents::{BadId, DocumentId, Documents, Published};
pub use event::{Event, Events, Happened, Stage};
pub use format::{TextFile, TextFileError};
pub use history::{Archive, ArchiveError, Cause, Generation, Layer, Outcome, PartRecord, Position};
pub use hooks::{
    Access, Check, Component, ComponentError, Decrypt, DecryptError, Denied, Mask, NoMask,
    Prepared, Right,
};
pub use path::{BadPath, Path, Step};
pub use pipeline::{
    CommandError, Definition, Handle, Hooks, Refused, Status, Timing, Watcher, read_once,
};
pub use problem::Problem;
pub use schema::{Schema, SchemaError, VersionRule};
pub use secret::Secret;
pub use source::{
    ConsulSettings, ConsulSource, Content, EtcdSettings, EtcdSource, EtcdUser, FileSource,
    FixedSource, Format, Keys, Kind, Outlet, Part, Reading, Source, SourceError, SourceId, Version,
};
pub use value::{Change, Data, Diff, Entry, Mark, Origin, Place, Reveal, Value};

pub mod apollo;
pub mod caller;
mod mask;
mod net;
pub mod roles;
pub mod secrets;

pub use listen;
pub use mask::Masker;
pub use net::Trust;
