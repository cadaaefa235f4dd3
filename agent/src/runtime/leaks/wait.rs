//! How soon many goroutines that wait for something are a leak.

use super::series::Series;
use crate::runtime::profile::Profile;

/// What waits for the network may be an idle connection, and services have thousands: it takes this long.
const NETWORK_SECONDS: f64 = 600.0;
/// Longer than what requests commonly wait for an answer: a back end that is away fills a service with
/// them until the first ones give up. Where nobody has ever been seen to end, nobody gives up.
const TIMEOUT_SECONDS: f64 = 90.0;
/// Goroutines that grow in number by this share of a group's growth may be why it grows: a connection has
/// several goroutines, and those of one request wait for one another.
const COMPANY: f64 = 0.25;

/// What may end a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// Nothing.
    Endless,
    /// Another goroutine and nothing else.
    Channel,
    /// Also a timeout, its own or that of whoever holds a lock.
    Timeout,
    /// A peer that has something to say.
    Network,
}

impl Wait {
    /// By the runtime's word for it; without the reasons' names it may be the network.
    pub(super) fn of(reason: &str) -> Self {
        match reason {
            "chan receive (nil chan)" | "chan send (nil chan)" | "select (no cases)" => {
                Self::Endless
            }
            "chan receive" | "chan send" => Self::Channel,
            "IO wait" => Self::Network,
            number if number.starts_with("reason ") => Self::Network,
            _ => Self::Timeout,
        }
    }
}

/// How many goroutines of a process wait for what, those that run in between too.
#[derive(Debug, Default)]
pub(super) struct Company {
    network: Series,
    timeout: Series,
}

impl Company {
    pub(super) fn add(&mut self, at: f64, profile: &Profile) {
        let count = |wait| {
            let groups = profile.groups.iter().filter(|group| !group.system);
            let such = groups.filter(|group| {
                let reason = group.wait_reason.as_deref();
                reason.is_some_and(|reason| Wait::of(reason) == wait)
            });
            such.map(|group| group.count).sum::<u64>() as f64
        };
        self.network.push(at, count(Wait::Network));
        self.timeout.push(at, count(Wait::Timeout));
    }

    /// Seconds that a growth of this kind must at least go on for to be a leak's. What grows along with
    /// connections is a part of them, and what grows along with waits that have a timeout may wait for those.
    /// `keeps_all`: no goroutine of this creation site has ever been seen to end.
    pub(super) fn least_seconds(
        &self,
        (wait, keeps_all): (Wait, bool),
        (from, to): (f64, f64),
        growth: f64,
    ) -> f64 {
        let along = |others: &Series| others.growth(from, to) >= growth * COMPANY;
        match wait {
            Wait::Endless => 0.0,
            Wait::Network => NETWORK_SECONDS,
            Wait::Channel | Wait::Timeout if along(&self.network) => NETWORK_SECONDS,
            Wait::Channel | Wait::Timeout if keeps_all => 0.0,
            Wait::Channel if !along(&self.timeout) => 0.0,
            Wait::Channel | Wait::Timeout => TIMEOUT_SECONDS,
        }
    }
}
