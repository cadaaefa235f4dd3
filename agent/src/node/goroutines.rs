//! What a window counted of goroutines becomes metrics of their target.

use std::{
    collections::{BTreeMap, HashSet},
    sync::PoisonError,
};

use agent_ebpf::goroutine::{SiteStats, duration_bound, stack_size};

use super::target::Target;
use crate::{
    probe::Sites,
    resolve::{CreationSite, Resolver},
    telemetry::{Telemetry, catalog, code_values},
};

/// Creation sites that get series of their own, per target.
const SITES: usize = 64;
/// All others together, as the semantic conventions name them.
const OTHER: &str = "_OTHER";

/// Creation sites of one target that have series of their own.
#[derive(Debug, Default)]
pub(super) struct KnownSites(HashSet<SiteValues>);

/// Attribute values of a site: function, file and line.
type SiteValues = [String; 3];

impl KnownSites {
    /// The values of a site's series: its own, while there is room.
    fn admit(&mut self, site: SiteValues) -> SiteValues {
        if self.0.contains(&site) {
            return site;
        }
        if self.0.len() >= SITES {
            return other();
        }
        self.0.insert(site.clone());
        site
    }
}

/// The function name stands for all of them.
fn other() -> SiteValues {
    [OTHER.to_owned(), String::new(), String::new()]
}

/// Adds what was counted to the series of the target. Blocks, for sites may have to be named.
pub(super) fn publish(target: &Target, sites: &Sites, resolver: &Resolver, telemetry: &Telemetry) {
    let resource = &target.resource;
    for (site, stats) in by_site(target, sites, resolver) {
        let attributes = site.each_ref().map(String::as_str);
        let add = |metric, count: u64| telemetry.add(resource, metric, &attributes, count as f64);
        add(&catalog::GOROUTINES_CREATED, stats.begun);
        add(&catalog::GOROUTINES_EXITED, stats.ended);
    }
    let all = sites
        .values()
        .fold(SiteStats::ZERO, |all, stats| all.plus(stats));
    let seconds = |ns: u64| ns as f64 / 1e9;
    telemetry.observe_counted(
        resource,
        &catalog::GOROUTINE_LIFETIME,
        all.durations.iter().enumerate().map(|(bucket, count)| {
            let bound = duration_bound(bucket).map_or(f64::INFINITY, seconds);
            (bound, *count)
        }),
        seconds(all.duration_ns),
    );
    telemetry.observe_counted(
        resource,
        &catalog::GOROUTINE_STACK,
        all.stacks
            .iter()
            .enumerate()
            .map(|(class, count)| (stack_size(class) as f64, *count)),
        all.stack_bytes as f64,
    );
}

/// The counts by the values of their series, the busiest site first to get one.
fn by_site(target: &Target, sites: &Sites, resolver: &Resolver) -> BTreeMap<SiteValues, SiteStats> {
    let mut order: Vec<(&u64, &SiteStats)> = sites.iter().collect();
    order.sort_unstable_by_key(|(pc, stats)| (std::cmp::Reverse(stats.begun + stats.ended), **pc));
    let addresses: Vec<u64> = order.iter().map(|(pc, _)| **pc).collect();
    let names = resolver.creation_sites(&target.process.file, target.bias, &addresses);
    let mut known = target.sites.lock().unwrap_or_else(PoisonError::into_inner);
    let mut counts: BTreeMap<SiteValues, SiteStats> = BTreeMap::new();
    for (pc, stats) in order {
        let site = names.get(pc).map_or_else(other, values);
        let sum = counts.entry(known.admit(site)).or_insert(SiteStats::ZERO);
        *sum = sum.plus(stats);
    }
    counts
}

fn values(site: &CreationSite) -> SiteValues {
    let frame = site.frame.as_ref();
    let line = frame.map(|frame| (&*frame.function, &*frame.file, frame.line));
    code_values(line, site.address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_past_the_limit_share_one_series() {
        let at = |line: usize| ["main.f".to_owned(), "/f.go".to_owned(), line.to_string()];
        let mut known = KnownSites::default();
        for number in 0..SITES {
            let site = at(number);
            assert_eq!(known.admit(site.clone()), site);
        }
        assert_eq!(known.admit(at(SITES)), other());
        assert_eq!(known.admit(at(7)), at(7));
    }
}
