//! Goroutine profiles become gauges: goroutines by what they wait for, and leaks by their site.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    catalog::{self, Metric},
    store::{Sample, Store},
};
use crate::{
    identity::Resource,
    runtime::{
        Leak,
        profile::{Place, Profile},
    },
};

/// Leaks of one target that have series: a program with more has one problem, not many.
const LEAKS: usize = 10;

/// Takes over a profile and the leaks that are known; series of what is gone go.
pub(super) fn update(store: &Store, resource: &Arc<Resource>, profile: &Profile, leaks: &[Leak]) {
    let mut states: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for group in profile.groups.iter().filter(|group| !group.system) {
        let reason = group.wait_reason.as_deref().unwrap_or("");
        *states.entry((group.state, reason)).or_default() += group.count;
    }
    let states = states
        .into_iter()
        .map(|((state, reason), count)| (vec![state.to_owned(), reason.to_owned()], count as f64));
    replace(
        store,
        resource,
        &catalog::GOROUTINE_STATES,
        states.collect(),
    );

    let shown = || leaks.iter().take(LEAKS);
    let sizes = shown().map(|leak| (site(leak), leak.count as f64));
    replace(
        store,
        resource,
        &catalog::GOROUTINE_LEAK_SIZE,
        sizes.collect(),
    );
    let growth = |leak: &Leak| if leak.growing { leak.per_second } else { 0.0 };
    let growths = shown().map(|leak| (site(leak), growth(leak)));
    replace(
        store,
        resource,
        &catalog::GOROUTINE_LEAK_GROWTH,
        growths.collect(),
    );
}

/// Attribute values of a leak.
fn site(leak: &Leak) -> Vec<String> {
    let place = leak.created_by.as_ref();
    let text = |part: fn(&Place) -> String| place.map(part).unwrap_or_default();
    vec![
        text(|place| place.function.to_string()),
        text(|place| place.file.to_string()),
        text(|place| place.line.to_string()),
        leak.wait_reason.clone(),
    ]
}

/// Gives a metric exactly these values.
fn replace(
    store: &Store,
    resource: &Arc<Resource>,
    metric: &'static Metric,
    values: Vec<(Vec<String>, f64)>,
) {
    store.target(resource).retain(metric, |known| {
        let same = |values: &[String]| {
            values
                .iter()
                .map(String::as_str)
                .eq(known.iter().map(|it| &**it))
        };
        values.iter().any(|(values, _)| same(values))
    });
    for (attributes, value) in &values {
        let attributes: Vec<&str> = attributes.iter().map(String::as_str).collect();
        store.with_sample(resource, metric, &attributes, |sample| {
            *sample = Sample::Number(*value);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::MonotonicNanos, runtime::profile::Group, telemetry::testing};

    fn group(count: u64, reason: &str) -> Group {
        Group {
            count,
            unmoved: 0,
            state: "waiting",
            wait_reason: Some(reason.to_owned()),
            system: false,
            age_seconds: 1.0,
            wait_seconds: None,
            created_by: None,
            start: None,
            stack: Vec::new(),
            sample: 1,
            creator: 1,
            entry: 1,
        }
    }

    fn profile(groups: Vec<Group>) -> Profile {
        Profile {
            pid: 1,
            taken: MonotonicNanos(1),
            goroutines: 0,
            system: 0,
            unread: 0,
            ungrouped: 0,
            groups,
        }
    }

    fn leak(file: &str) -> Leak {
        Leak {
            created_by: Some(Place {
                function: "main.f".into(),
                file: file.into(),
                line: 7,
            }),
            start: None,
            wait_reason: "select".to_owned(),
            count: 9,
            per_second: 2.5,
            seconds: 60.0,
            growing: true,
            creator: 0x10,
            entry: 0x20,
        }
    }

    #[test]
    fn groups_are_summed_by_reason_and_what_is_gone_has_no_series() {
        let store = Store::new(100);
        let resource = testing::resource("shop");
        let first = profile(vec![
            group(3, "select"),
            group(4, "select"),
            group(5, "IO wait"),
        ]);
        let leaks: Vec<Leak> = (0..20).map(|at| leak(&format!("/{at}.go"))).collect();
        update(&store, &resource, &first, &leaks);
        let values = |metric: &Metric| -> Vec<f64> {
            let series = store.target(&resource).snapshot();
            let of_metric = series.iter().filter(|series| series.metric == metric);
            let number = of_metric.map(|series| match &series.sample {
                Sample::Number(value) => *value,
                Sample::Histogram(_) => panic!("no histogram"),
            });
            number.collect()
        };
        assert_eq!(values(&catalog::GOROUTINE_STATES), [5.0, 7.0]);
        assert_eq!(values(&catalog::GOROUTINE_LEAK_SIZE), [9.0; LEAKS]);
        assert_eq!(values(&catalog::GOROUTINE_LEAK_GROWTH), [2.5; LEAKS]);
        update(&store, &resource, &profile(vec![group(1, "select")]), &[]);
        assert_eq!(values(&catalog::GOROUTINE_STATES), [1.0]);
        assert_eq!(values(&catalog::GOROUTINE_LEAK_SIZE), [0.0; 0]);
    }
}
