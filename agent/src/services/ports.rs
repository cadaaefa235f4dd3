//! What the requests to a port were for, as the probes saw them.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Mutex, PoisonError},
};

use crate::correlate::{Attributes, Span};

/// Ports that are told apart; those of further processes are not.
const MOST: usize = 16_384;

/// Which kind of request a port has seen, by process. A port of which nothing is known may serve anything.
#[derive(Debug, Default)]
pub struct PortUse {
    seen: Mutex<HashMap<(u32, u16), Use>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Pprof,
    Metrics,
    Both,
    Service,
}

impl PortUse {
    /// Takes a finished span.
    pub fn note(&self, span: &Span) {
        let Attributes::HttpServer(http) = &span.attributes else {
            return;
        };
        let Some(port) = http.server_port else {
            return;
        };
        let kind = match http.path.as_str() {
            path if path.starts_with("/debug/pprof") => Use::Pprof,
            "/metrics" => Use::Metrics,
            // Probes of an orchestrator say nothing of what a port is for.
            "/healthz" | "/readyz" | "/livez" | "/health" => return,
            _ => Use::Service,
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (span.resource.pid, port);
        let has_room = seen.len() < MOST;
        match seen.entry(key) {
            Entry::Occupied(mut known) => {
                let both = known.get().and(kind);
                known.insert(both);
            }
            Entry::Vacant(new) if has_room => drop(new.insert(kind)),
            Entry::Vacant(_) => {}
        }
    }

    /// What a port is only for, if it is not for the service itself.
    pub(super) fn only(&self, pid: u32, port: u16) -> Option<&'static str> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.get(&(pid, port))? {
            Use::Pprof => Some("pprof"),
            Use::Metrics => Some("metrics"),
            Use::Both => Some("admin"),
            Use::Service => None,
        }
    }

    /// Forgets processes that `is_there` does not know.
    pub(super) fn keep(&self, is_there: impl Fn(u32) -> bool) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|(pid, _), _| is_there(*pid));
    }
}

impl Use {
    /// What a port is for that is for both.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (one, other) if one == other => one,
            (Self::Service, _) | (_, Self::Service) => Self::Service,
            _ => Self::Both,
        }
    }
}
