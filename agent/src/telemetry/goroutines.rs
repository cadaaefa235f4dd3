//! Goroutine profiles become gauges: goroutines by what they wait for, and leaks by their site.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    catalog::{self, Metric},
    code::code_values,
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

    let (sizes, growths) = of_leaks(leaks);
    replace(store, resource, &catalog::GOROUTINE_LEAK_SIZE, sizes);
    replace(store, resource, &catalog::GOROUTINE_LEAK_GROWTH, growths);
}

/// Attribute values of a series, and its value.
type Values = Vec<(Vec<String>, f64)>;

/// Sizes and growths of the largest leaks. Leaks that look the same, as copies of a generic function do, are
/// one.
fn of_leaks(leaks: &[Leak]) -> (Values, Values) {
    let mut sums: BTreeMap<Vec<String>, (u64, f64)> = BTreeMap::new();
    for leak in leaks {
        let (size, growth) = sums.entry(site(leak)).or_default();
        *size += leak.count;
        *growth += if leak.growing { leak.per_second } else { 0.0 };
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|(_, (size, _))| std::cmp::Reverse(*size));
    sums.truncate(LEAKS);
    let each = sums
        .into_iter()
        .map(|(site, (size, growth))| ((site.clone(), size as f64), (site, growth)));
    each.unzip()
}

/// Attribute values of a leak; addresses where the binary has no names.
fn site(leak: &Leak) -> Vec<String> {
    let values = |place: Option<&Place>, address| {
        let line = place.map(|place| (&*place.function, &*place.file, place.line));
        code_values(line, address)
    };
    let [function, file, line] = values(leak.created_by.as_ref(), leak.creator);
    let [start, ..] = values(leak.start.as_ref(), leak.entry);
    vec![function, file, line, start, leak.wait_reason.clone()]
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
            known: 0,
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
            unremembered: 0,
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

    /// Leaks at one `go` statement differ in the function they begin, and those without names in their
    /// addresses; what cannot be told apart is one.
    #[test]
    fn leaks_that_look_alike_are_summed_and_others_stay_apart() {
        let started = |function: &str| Leak {
            start: Some(Place {
                function: function.into(),
                file: "/f.go".into(),
                line: 9,
            }),
            ..leak("/0.go")
        };
        let unnamed = |creator| Leak {
            created_by: None,
            creator,
            growing: false,
            ..leak("")
        };
        let leaks = [
            started("main.a"),
            started("main.b"),
            started("main.b"),
            unnamed(0x40),
            unnamed(0x50),
        ];
        let (sizes, growths) = of_leaks(&leaks);
        let key = |function: &str, file: &str, line: &str, start: &str| {
            [function, file, line, start, "select"]
                .map(str::to_owned)
                .to_vec()
        };
        let expected = [
            (key("main.f", "/0.go", "7", "main.b"), 18.0, 5.0),
            (key("0x40", "", "", "0x20"), 9.0, 0.0),
            (key("0x50", "", "", "0x20"), 9.0, 0.0),
            (key("main.f", "/0.go", "7", "main.a"), 9.0, 2.5),
        ];
        let shown = sizes.into_iter().zip(growths);
        let shown: Vec<_> = shown
            .map(|((site, size), (_, growth))| (site, size, growth))
            .collect();
        assert_eq!(shown, expected);
    }
}
