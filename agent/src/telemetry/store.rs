//! Series of all targets: bounded per target, locked per target.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::{BuildHasher, Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::{Duration, Instant},
};

use super::{
    catalog::{Instrument, Metric},
    classic::Shown,
    expose::escape_label,
    histogram::Histogram,
    runtime::RuntimeState,
};
use crate::identity::Resource;

/// How long the series of an ended target stay, so that a last scrape sees them.
pub(super) const GRACE: Duration = Duration::from_secs(300);

/// One series, cheap to clone but for the buckets of a histogram.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub metric: &'static Metric,
    /// Attribute values in catalogue order; empty for the overflow series.
    pub values: Arc<[Box<str>]>,
    /// Prometheus labels, escaped, without braces.
    pub labels: Arc<str>,
    pub sample: Sample,
}

/// What a series holds.
#[derive(Clone, Debug)]
pub(super) enum Sample {
    Number(f64),
    Histogram(Box<Histogram>),
}

/// All series of one target.
#[derive(Debug)]
pub(super) struct Target {
    pub resource: Arc<Resource>,
    resource_labels: String,
    state: Mutex<State>,
}

/// The part of a target that changes.
#[derive(Debug, Default)]
pub(super) struct State {
    series: HashMap<u64, Vec<Series>>,
    count: usize,
    ended: Option<Instant>,
    pub runtime: RuntimeState,
}

/// The targets by their instance id.
#[derive(Debug)]
pub(super) struct Store {
    targets: RwLock<HashMap<String, Arc<Target>>>,
    hasher: RandomState,
    limit: usize,
}

impl Store {
    /// A store that holds at most `limit` series per target, overflow series apart.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            targets: RwLock::default(),
            hasher: RandomState::new(),
            limit,
        }
    }

    /// The target of this resource, new when it was not known.
    pub(super) fn target(&self, resource: &Arc<Resource>) -> Arc<Target> {
        let known = self
            .targets
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&resource.service_instance_id)
            .map(Arc::clone);
        known.unwrap_or_else(|| {
            let mut targets = self.targets.write().unwrap_or_else(PoisonError::into_inner);
            let target = targets
                .entry(resource.service_instance_id.clone())
                .or_insert_with(|| Arc::new(Target::new(Arc::clone(resource))));
            Arc::clone(target)
        })
    }

    /// Lets `change` work on the sample of a series; `false` when the value found no series of its
    /// own because the target has reached its limit.
    ///
    /// Histograms and counters then go to the metric's overflow series; a gauge is left out, because
    /// values of different series overwriting each other mean nothing.
    pub(super) fn with_sample(
        &self,
        resource: &Arc<Resource>,
        metric: &'static Metric,
        values: &[&str],
        change: impl FnOnce(&mut Sample),
    ) -> bool {
        let target = self.target(resource);
        let mut state = target.lock();
        let key = self.key(metric, values);
        if let Some(sample) = state.find(key, metric, values) {
            change(sample);
            return true;
        }
        // A metric without attributes has one series per target and is always admitted.
        if state.count < self.limit || values.is_empty() {
            change(state.insert(key, target.series(metric, values)));
            return true;
        }
        let summable = matches!(
            metric.instrument,
            Instrument::Counter | Instrument::Histogram(_)
        );
        if summable {
            let key = self.key(metric, &[]);
            if state.find(key, metric, &[]).is_none() {
                // Overflow series are few (one per metric) and do not count.
                state.insert(key, target.overflow(metric));
                state.count -= 1;
            }
            if let Some(sample) = state.find(key, metric, &[]) {
                change(sample);
            }
        }
        false
    }

    fn key(&self, metric: &'static Metric, values: &[&str]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        metric.name.hash(&mut hasher);
        values.hash(&mut hasher);
        hasher.finish()
    }

    /// Starts the grace time of a target, also of one without series: its last events may still come.
    pub(super) fn end(&self, resource: &Arc<Resource>, now: Instant) {
        self.target(resource).lock().ended.get_or_insert(now);
    }

    /// Forgets targets whose grace time is over.
    pub(super) fn sweep(&self, now: Instant) {
        let mut targets = self.targets.write().unwrap_or_else(PoisonError::into_inner);
        targets.retain(|_, target| {
            target
                .lock()
                .ended
                .is_none_or(|ended| now.saturating_duration_since(ended) < GRACE)
        });
    }

    /// Every target, ordered by service and instance.
    pub(super) fn targets(&self) -> Vec<Arc<Target>> {
        let mut all: Vec<_> = self
            .targets
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .map(Arc::clone)
            .collect();
        all.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
        all
    }
}

impl Target {
    fn new(resource: Arc<Resource>) -> Self {
        Self {
            resource_labels: resource_labels(&resource),
            resource,
            state: Mutex::default(),
        }
    }

    fn sort_key(&self) -> (&str, &str) {
        (
            &self.resource.service_name,
            &self.resource.service_instance_id,
        )
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Copies of all series that were counted, ordered by labels; the lock is held for the copy only.
    pub(super) fn snapshot(&self) -> Vec<Series> {
        let mut all: Vec<Series> = self.lock().series.values().flatten().cloned().collect();
        all.sort_by(|a, b| a.labels.cmp(&b.labels));
        all
    }

    /// As [`Target::snapshot`], with the series of the last runtime reading.
    pub(super) fn snapshot_with_runtime(&self) -> Vec<Series> {
        let mut all = self.snapshot();
        let reading = self.lock().runtime.last();
        if let Some(reading) = reading {
            all.extend(super::go::series(self, &reading));
        }
        all.sort_by(|a, b| a.labels.cmp(&b.labels));
        all
    }

    /// What the classic names show of it; nothing before the first reading.
    pub(super) fn shown(&self) -> Option<Shown> {
        let (reading, usage) = {
            let state = self.lock();
            (state.runtime.last()?, state.runtime.usage)
        };
        let mut labels = self.resource_labels.clone();
        push_label(&mut labels, "source", "golens");
        Some(Shown {
            labels,
            resource: Arc::clone(&self.resource),
            reading,
            usage,
        })
    }

    /// Whether the process is still there.
    pub(super) fn is_live(&self) -> bool {
        self.lock().ended.is_none()
    }

    pub(super) fn series(&self, metric: &'static Metric, values: &[&str]) -> Series {
        let mut labels = self.resource_labels.clone();
        for (name, value) in metric.labels().zip(values) {
            push_label(&mut labels, &name, value);
        }
        Series::new(metric, values, labels)
    }

    fn overflow(&self, metric: &'static Metric) -> Series {
        let mut labels = self.resource_labels.clone();
        push_label(&mut labels, "otel_metric_overflow", "true");
        Series::new(metric, &[], labels)
    }
}

impl Series {
    fn new(metric: &'static Metric, values: &[&str], labels: String) -> Self {
        Self {
            metric,
            values: values.iter().map(|value| Box::from(*value)).collect(),
            labels: labels.into(),
            sample: match metric.instrument {
                Instrument::Histogram(bounds) => {
                    Sample::Histogram(Box::new(Histogram::new(bounds)))
                }
                _ => Sample::Number(0.0),
            },
        }
    }

    fn is(&self, metric: &'static Metric, values: &[&str]) -> bool {
        std::ptr::eq(self.metric, metric)
            && self.values.len() == values.len()
            && self.values.iter().zip(values).all(|(a, b)| **a == **b)
    }

    /// The value of one attribute, empty when absent.
    pub(super) fn attribute(&self, key: &str) -> &str {
        let place = self
            .metric
            .attributes
            .iter()
            .position(|known| *known == key);
        place
            .and_then(|place| self.values.get(place))
            .map_or("", |value| value)
    }
}

impl State {
    fn find(&mut self, key: u64, metric: &'static Metric, values: &[&str]) -> Option<&mut Sample> {
        self.series
            .get_mut(&key)?
            .iter_mut()
            .find(|series| series.is(metric, values))
            .map(|series| &mut series.sample)
    }

    fn insert(&mut self, key: u64, series: Series) -> &mut Sample {
        self.count += 1;
        let same_key = self.series.entry(key).or_default();
        same_key.push(series);
        let last = same_key.len() - 1;
        &mut same_key[last].sample
    }
}

fn resource_labels(resource: &Resource) -> String {
    let mut labels = String::new();
    push_label(&mut labels, "service_name", &resource.service_name);
    push_label(
        &mut labels,
        "service_namespace",
        resource.service_namespace.as_deref().unwrap_or(""),
    );
    push_label(
        &mut labels,
        "service_instance_id",
        &resource.service_instance_id,
    );
    labels
}

/// Adds a label; Prometheus treats an empty value as no label, so none is written.
fn push_label(labels: &mut String, name: &str, value: &str) {
    if value.is_empty() {
        return;
    }
    if !labels.is_empty() {
        labels.push(',');
    }
    labels.push_str(name);
    labels.push_str("=\"");
    escape_label(labels, value);
    labels.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{catalog, testing};

    fn add(store: &Store, resource: &Arc<Resource>, route: &str) -> bool {
        let values = ["GET", route, "200", "http", ""];
        store.with_sample(
            resource,
            &catalog::HTTP_SERVER_REQUEST_DURATION,
            &values,
            |sample| {
                if let Sample::Histogram(histogram) = sample {
                    histogram.observe(0.01, crate::clock::UnixNanos(1), None);
                }
            },
        )
    }

    #[test]
    fn past_the_limit_values_go_to_the_overflow_series() {
        let store = Store::new(2);
        let resource = testing::resource("shop");
        let own_series: Vec<bool> = ["/a", "/b", "/c", "/d", "/a"]
            .iter()
            .map(|route| add(&store, &resource, route))
            .collect();
        assert_eq!(own_series, [true, true, false, false, true]);

        let series = store.target(&resource).snapshot();
        assert_eq!(series.len(), 3);
        let overflow = series
            .iter()
            .find(|series| series.labels.contains("otel_metric_overflow=\"true\""))
            .expect("an overflow series");
        let Sample::Histogram(histogram) = &overflow.sample else {
            panic!("not a histogram: {overflow:?}")
        };
        assert_eq!(histogram.count(), 2);
        assert!(!overflow.labels.contains("http_route"));
    }

    #[test]
    fn a_gauge_past_the_limit_is_left_out() {
        let store = Store::new(0);
        let resource = testing::resource("shop");
        let set = |metric, values: &[&str]| {
            store.with_sample(&resource, metric, values, |sample| {
                *sample = Sample::Number(7.0);
            })
        };
        assert!(
            set(&catalog::GOROUTINE_COUNT, &[]),
            "one per target is always admitted"
        );
        assert!(!set(&catalog::PROBE_HITS, &["http"]), "a counter overflows");
        assert_eq!(store.target(&resource).snapshot().len(), 2);
    }

    #[test]
    fn series_outlive_their_target_by_the_grace_time() {
        let store = Store::new(10);
        let (ended, live) = (testing::resource("old"), testing::resource("new"));
        add(&store, &ended, "/");
        add(&store, &live, "/");
        let now = Instant::now();
        store.end(&ended, now);
        store.sweep(now + GRACE - Duration::from_secs(1));
        assert_eq!(store.targets().len(), 2);
        store.sweep(now + GRACE);
        let left = store.targets();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].resource.service_name, "new");
    }

    #[test]
    fn labels_are_escaped_and_empty_ones_absent() {
        let store = Store::new(10);
        let mut resource = (*testing::resource("shop")).clone();
        resource.service_namespace = Some("a\\b\"c\nd".to_owned());
        let resource = Arc::new(resource);
        add(&store, &resource, "");
        let series = store.target(&resource).snapshot();
        assert_eq!(
            &*series[0].labels,
            "service_name=\"shop\",service_namespace=\"a\\\\b\\\"c\\nd\",\
             service_instance_id=\"shop-1\",http_request_method=\"GET\",\
             http_response_status_code=\"200\",url_scheme=\"http\""
        );
    }
}
