//! Budgets: nobody who calls too often or waits too much does so at the cost of others.
//!
//! A budget belongs to a caller by name (see [`CallerIdentity`](crate::CallerIdentity)) and token, never to
//! an address: all pods of a node may share one.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use thiserror::Error;

use crate::{Caller, model::Name};

/// Budgets are kept in so many tables, each with a lock of its own.
const SHARDS: usize = 16;

/// What each caller may use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests per second, in the long run. More than 10^9 are no limit.
    pub requests_per_second: u32,
    /// Requests at once, after a pause.
    pub burst: u32,
    /// Requests and streams that wait for news at one time.
    pub waits: u32,
    /// Callers that are told apart at one time; those who have not called for longest are forgotten first.
    pub callers: usize,
}

impl Default for Limits {
    /// Far above what a service needs, and far below what a client in a tight loop does.
    fn default() -> Self {
        Self {
            requests_per_second: 10_000,
            burst: 20_000,
            waits: 8_192,
            callers: 65_536,
        }
    }
}

/// Why a call was put off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Limited {
    /// The caller calls too often.
    #[error("more than {per_second} requests per second; try again in {retry_after:?}")]
    Requests {
        /// What is allowed.
        per_second: u32,
        /// When the next call will be taken.
        retry_after: Duration,
    },
    /// The caller waits for too many things at a time.
    #[error("more than {waits} requests that wait at one time")]
    Waits {
        /// What is allowed.
        waits: u32,
    },
}

impl Limited {
    /// When to try again, in whole seconds, at least one.
    pub fn retry_after_s(&self) -> u64 {
        match self {
            Self::Requests { retry_after, .. } => {
                let whole = retry_after.as_secs();
                whole + u64::from(retry_after.subsec_nanos() > 0 || whole == 0)
            }
            // Whoever waits will be answered, but nobody knows when.
            Self::Waits { .. } => 1,
        }
    }
}

/// Whose budget it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    name: Name,
    token: Option<Name>,
}

/// One caller's budget.
#[derive(Debug)]
struct Budget {
    /// When all that was used up is back.
    full_at: Instant,
    waits: Arc<AtomicU32>,
}

/// The budgets of all callers. To be shared by all protocols of a registry.
#[derive(Debug)]
pub struct Limiter {
    limits: ArcSwap<Limits>,
    hasher: RandomState,
    shards: [Mutex<HashMap<Key, Budget>>; SHARDS],
}

/// A place among those who wait; free again when dropped.
#[derive(Debug)]
pub struct Wait(Arc<AtomicU32>);

impl Drop for Wait {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Limiter {
    /// Budgets with these limits.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits: ArcSwap::from_pointee(limits),
            hasher: RandomState::new(),
            shards: Default::default(),
        }
    }

    /// Changes the limits. Who has used up more than is left waits for it; places that are taken stay taken.
    pub fn set(&self, limits: Limits) {
        self.limits.store(Arc::new(limits));
    }

    /// Takes one request from the caller's budget.
    ///
    /// # Errors
    /// [`Limited::Requests`] when nothing is left.
    pub fn request(&self, caller: &Caller) -> Result<(), Limited> {
        self.request_at(caller, Instant::now())
    }

    fn request_at(&self, caller: &Caller, now: Instant) -> Result<(), Limited> {
        let limits = self.limits.load();
        let per_second = limits.requests_per_second.max(1);
        let price = Duration::from_secs(1) / per_second;
        if price.is_zero() {
            return Ok(());
        }
        let credit = price.saturating_mul(limits.burst.max(1));
        self.with(caller, now, |budget| {
            let full_at = budget.full_at.max(now) + price;
            match full_at.checked_duration_since(now + credit) {
                None | Some(Duration::ZERO) => {
                    budget.full_at = full_at;
                    Ok(())
                }
                Some(retry_after) => Err(Limited::Requests {
                    per_second,
                    retry_after,
                }),
            }
        })
    }

    /// Takes a place among those who wait for news.
    ///
    /// # Errors
    /// [`Limited::Waits`] when the caller has too many already.
    pub fn wait(&self, caller: &Caller) -> Result<Wait, Limited> {
        let most = self.limits.load().waits;
        self.with(caller, Instant::now(), |budget| {
            let waits = budget.waits.fetch_add(1, Ordering::AcqRel);
            let place = Wait(Arc::clone(&budget.waits));
            match waits < most {
                true => Ok(place),
                false => Err(Limited::Waits { waits: most }),
            }
        })
    }

    fn with<T>(&self, caller: &Caller, now: Instant, use_up: impl FnOnce(&mut Budget) -> T) -> T {
        let key = Key {
            name: Name::clone(&caller.name),
            token: caller.token.clone(),
        };
        let mut shard = self.shard(&key);
        if shard.len() >= self.limits.load().callers.div_ceil(SHARDS) && !shard.contains_key(&key) {
            forget(&mut shard, now);
        }
        use_up(shard.entry(key).or_insert_with(|| Budget {
            full_at: now,
            waits: Arc::default(),
        }))
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, HashMap<Key, Budget>> {
        let at = self.hasher.hash_one(key) as usize % SHARDS;
        self.shards[at]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes room: a budget that nothing is missing from says nothing. If all are in use, half of them go,
/// those that are back first; places of those who wait are counted where they are held.
fn forget(budgets: &mut HashMap<Key, Budget>, now: Instant) {
    let before = budgets.len();
    budgets.retain(|_, budget| budget.full_at > now || Arc::strong_count(&budget.waits) > 1);
    if budgets.len() < before {
        return;
    }
    let mut times: Vec<_> = budgets.values().map(|budget| budget.full_at).collect();
    let middle = times.len() / 2;
    let (_, median, _) = times.select_nth_unstable(middle);
    let median = *median;
    budgets.retain(|_, budget| budget.full_at > median);
}

#[cfg(test)]
mod tests {
    use state::tokens::Rights;

    use super::*;

    fn limiter(limits: Limits) -> Limiter {
        Limiter::new(limits)
    }

    fn caller(name: &str, token: Option<&str>) -> Caller {
        let caller = Caller::new(name, Arc::new(Rights::all()));
        match token {
            Some(token) => caller.with_token(token),
            None => caller,
        }
    }

    #[test]
    fn a_burst_is_taken_and_then_the_rate() {
        let limiter = limiter(Limits {
            requests_per_second: 10,
            burst: 3,
            ..Limits::default()
        });
        let (web, start) = (caller("web", None), Instant::now());
        let ask = |ms| limiter.request_at(&web, start + Duration::from_millis(ms));
        let refused = |retry_ms| {
            Err(Limited::Requests {
                per_second: 10,
                retry_after: Duration::from_millis(retry_ms),
            })
        };
        assert_eq!([ask(0), ask(0), ask(0)], [Ok(()); 3]);
        assert_eq!(ask(0), refused(100));
        assert_eq!(ask(60), refused(40));
        assert_eq!(ask(100), Ok(()));
        assert_eq!(ask(150), refused(50));
        // A long pause gives a burst back, and no more.
        assert_eq!([ask(9_000), ask(9_000), ask(9_000)], [Ok(()); 3]);
        assert_eq!(ask(9_000), refused(100));
    }

    #[test]
    fn other_limits_hold_for_callers_that_are_known() {
        let limits = |requests_per_second, burst| Limits {
            requests_per_second,
            burst,
            waits: burst,
            ..Limits::default()
        };
        let limiter = limiter(limits(1, 1));
        let (web, now) = (caller("web", None), Instant::now());
        assert_eq!(limiter.request_at(&web, now), Ok(()));
        assert!(limiter.request_at(&web, now).is_err());
        let _held = limiter.wait(&web).expect("a place");
        assert!(limiter.wait(&web).is_err());
        limiter.set(limits(10, 20));
        assert_eq!(limiter.request_at(&web, now), Ok(()));
        assert!(limiter.wait(&web).is_ok());
        limiter.set(limits(1, 1));
        assert!(limiter.request_at(&web, now).is_err());
        assert_eq!(limiter.wait(&web).err(), Some(Limited::Waits { waits: 1 }));
    }

    #[test]
    fn a_rate_beyond_what_clocks_tell_is_no_limit() {
        let limiter = limiter(Limits {
            requests_per_second: u32::MAX,
            burst: 1,
            ..Limits::default()
        });
        let (web, start) = (caller("web", None), Instant::now());
        // Threads take the time and then the lock: not always in this order.
        for at in [start + Duration::from_secs(1), start, start] {
            assert_eq!(limiter.request_at(&web, at), Ok(()));
        }
    }

    #[test]
    fn budgets_are_by_caller_and_token() {
        let limiter = limiter(Limits {
            requests_per_second: 1,
            burst: 1,
            ..Limits::default()
        });
        let now = Instant::now();
        for caller in [
            caller("web", None),
            caller("web", Some("a")),
            caller("web", Some("b")),
            caller("db", Some("a")),
        ] {
            assert_eq!(limiter.request_at(&caller, now), Ok(()));
            let limited = limiter.request_at(&caller, now).unwrap_err();
            assert_eq!(limited.retry_after_s(), 1);
        }
    }

    #[test]
    fn a_place_among_those_who_wait_is_given_back() {
        let limiter = limiter(Limits {
            waits: 2,
            ..Limits::default()
        });
        let web = caller("web", None);
        let places = [limiter.wait(&web).unwrap(), limiter.wait(&web).unwrap()];
        assert_eq!(limiter.wait(&web).unwrap_err(), Limited::Waits { waits: 2 });
        assert!(limiter.wait(&caller("db", None)).is_ok());
        drop(places);
        assert!(limiter.wait(&web).is_ok());
    }

    #[test]
    fn many_callers_take_no_more_memory_than_is_allowed() {
        let limiter = limiter(Limits {
            callers: 160,
            ..Limits::default()
        });
        let now = Instant::now();
        for number in 0..10_000 {
            let caller = caller(&format!("connection {number}"), None);
            assert_eq!(limiter.request_at(&caller, now), Ok(()));
        }
        let kept: usize = limiter.shards.iter().map(|s| s.lock().unwrap().len()).sum();
        assert!(kept <= 160, "{kept}");
    }
}
