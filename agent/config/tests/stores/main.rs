//! Key-value stores as sources of documents: a real etcd, and a stand-in with what Consul's API does.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up must stop"
)]

mod consul;
mod etcd;
mod http;
mod keys;
mod kv;
mod wire;

#[expect(dead_code, unused_imports, reason = "other tests use the rest")]
#[path = "../config/support/mod.rs"]
mod support;

use std::sync::Arc;

use config::{Definition, Happened, Source, Timing};

/// `dev/app` from one source; the health window does not end by itself.
fn definition(source: impl Source) -> Definition {
    let mut definition = Definition::new(support::id(), vec![Arc::new(source)]);
    definition.timing = Timing {
        health_window: std::time::Duration::from_secs(3_600),
        ..Timing::default()
    };
    definition
}

/// The reason for which the source was lost.
fn lost(happened: Happened) -> String {
    match happened {
        Happened::SourceLost { reason, .. } => reason,
        other => panic!("the source was not lost: {other:?}"),
    }
}
