//! What a window counted of goroutines becomes metrics of their target.

use std::{
    collections::{BTreeMap, HashSet},
    sync::PoisonError,
};

use agent_ebpf::goroutine::{SiteStats, duration_bound, stack_size};

use super::target::Target;
use crate::{
    probe::Sites,
    resolve::Resolver,
    telemetry::{Telemetry, catalog},
};

/// Creation sites that get series of their own, per target.
const SITES: usize = 64;
/// All others together, as the semantic conventions name them.
const OTHER: &str = "_OTHER";

/// Creation sites of one target that have series of their own.
#[derive(Debug, Default)]
pub(super) struct KnownSites(HashSet<String>);

impl KnownSites {
    /// The label of a site: its name, while there is room.
    fn label<'a>(&mut self, name: &'a str) -> &'a str {
        if self.0.contains(name) {
            return name;
        }
        if self.0.len() >= SITES {
            return OTHER;
        }
        self.0.insert(name.to_owned());
        name
    }
}

/// Adds what was counted to the series of the target. Blocks, for sites may have to be named.
pub(super) fn publish(target: &Target, sites: &Sites, resolver: &Resolver, telemetry: &Telemetry) {
    let resource = &target.resource;
    for (site, stats) in by_label(target, sites, resolver) {
        let attributes = [site.as_str()];
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

/// The counts by label, the busiest site first to get one.
fn by_label(target: &Target, sites: &Sites, resolver: &Resolver) -> BTreeMap<String, SiteStats> {
    let mut order: Vec<(&u64, &SiteStats)> = sites.iter().collect();
    order.sort_unstable_by_key(|(pc, stats)| (std::cmp::Reverse(stats.begun + stats.ended), **pc));
    let addresses: Vec<u64> = order.iter().map(|(pc, _)| **pc).collect();
    let names = resolver.site_names(&target.process.file, target.bias, &addresses);
    let mut known = target.sites.lock().unwrap_or_else(PoisonError::into_inner);
    let mut labelled: BTreeMap<String, SiteStats> = BTreeMap::new();
    for (pc, stats) in order {
        let label = known.label(names.get(pc).map_or(OTHER, String::as_str));
        let sum = labelled.entry(label.to_owned()).or_insert(SiteStats::ZERO);
        *sum = sum.plus(stats);
    }
    labelled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_past_the_limit_share_one_label() {
        let mut known = KnownSites::default();
        for number in 0..SITES {
            let name = number.to_string();
            assert_eq!(known.label(&name), name);
        }
        assert_eq!(known.label("one more"), OTHER);
        assert_eq!(known.label("7"), "7");
    }
}
