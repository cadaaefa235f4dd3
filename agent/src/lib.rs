//! golens: one process per node that observes its Go services from outside.
//!
//! Data flows one way and is turned once: `event` -> `correlate` -> {`telemetry`, `recent`, `export`}.
//! There is one `Event`, one `Span`, one `LogRecord` and one `Resource`; everything that leaves the
//! agent is a translation of these. See ARCHITECTURE.md.

pub mod api;
pub mod cli;
pub mod clock;
pub mod config;
pub mod correlate;
pub mod discovery;
pub mod doctor;
pub mod documents;
pub mod event;
pub mod export;
pub mod heap;
pub mod identity;
pub mod logs;
pub mod node;
pub mod probe;
pub mod recent;
pub mod resolve;
pub mod runtime;
pub mod services;
pub mod telemetry;
