//! Writes families line by line.

use std::fmt::Write;

use super::Format;
use crate::telemetry::{
    catalog::{Instrument, Metric},
    classic::{Kind, NUMBERS},
    histogram::{Exemplar, Histogram},
};

/// A page that grows.
#[derive(Debug)]
pub(super) struct Writer {
    format: Format,
    page: String,
    /// Name of the current family as its samples carry it, without `_bucket` and the like.
    sample: String,
}

impl Writer {
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            page: String::with_capacity(1 << 14),
            sample: String::new(),
        }
    }

    /// Starts a family; its samples follow.
    pub(super) fn family(&mut self, metric: &Metric) {
        self.sample = metric.prometheus_name();
        let kind = match metric.instrument {
            Instrument::Counter => "counter",
            Instrument::UpDownCounter | Instrument::Gauge => "gauge",
            Instrument::Histogram(_) => "histogram",
        };
        let family = match self.format {
            Format::Text => self.sample.clone(),
            Format::OpenMetrics => metric.family_name(),
        };
        self.line(format_args!("# HELP {family} {}", metric.description));
        self.line(format_args!("# TYPE {family} {kind}"));
        if let (Format::OpenMetrics, Some(unit)) = (self.format, metric.prometheus_unit()) {
            self.line(format_args!("# UNIT {family} {unit}"));
        }
    }

    /// Starts a family whose samples carry its own name.
    pub(super) fn head(&mut self, name: &str, kind: &str, help: &str) {
        name.clone_into(&mut self.sample);
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    /// Starts a family of the client library.
    ///
    /// OpenMetrics names a counter's family without `_total`; where a gauge has that name already
    /// (`go_memstats_alloc_bytes`), the type is left open, which is the one way to keep both names.
    pub(super) fn classic_head(&mut self, name: &str, kind: Kind, help: &str) {
        let family = name.strip_suffix("_total").unwrap_or(name);
        let is_taken = NUMBERS.iter().any(|other| other.name == family);
        match (self.format, kind) {
            (_, Kind::Gauge) => self.head(name, "gauge", help),
            (Format::Text, Kind::Counter) => self.head(name, "counter", help),
            (Format::OpenMetrics, Kind::Counter) if is_taken => self.head(name, "unknown", help),
            (Format::OpenMetrics, Kind::Counter) => {
                self.head(family, "counter", help);
                name.clone_into(&mut self.sample);
            }
        }
    }

    /// Writes quantiles, sum and count.
    pub(super) fn summary(&mut self, labels: &str, quantiles: &[(f64, f64)], sum: f64, count: u64) {
        let sample = self.sample.clone();
        for (quantile, value) in quantiles {
            let (quantile, value) = (self.bound(*quantile), Number(*value));
            self.line(format_args!(
                "{sample}{{{labels},quantile=\"{quantile}\"}} {value}"
            ));
        }
        let sum = Number(sum);
        self.line(format_args!("{sample}_sum{{{labels}}} {sum}"));
        self.line(format_args!("{sample}_count{{{labels}}} {count}"));
    }

    /// Writes a counter or gauge.
    pub(super) fn number(&mut self, labels: &str, number: f64) {
        let sample = self.sample.clone();
        let number = Number(number);
        if labels.is_empty() {
            self.line(format_args!("{sample} {number}"));
        } else {
            self.line(format_args!("{sample}{{{labels}}} {number}"));
        }
    }

    /// Writes buckets, sum and count.
    pub(super) fn histogram(&mut self, labels: &str, histogram: &Histogram) {
        let sample = self.sample.clone();
        let (comma, open, close) = match labels.is_empty() {
            true => ("", "", ""),
            false => (",", "{", "}"),
        };
        for (bound, below, exemplar) in histogram.buckets() {
            let bound = self.bound(bound);
            self.put(format_args!(
                "{sample}_bucket{{{labels}{comma}le=\"{bound}\"}} {below}"
            ));
            if let (Format::OpenMetrics, Some(exemplar)) = (self.format, exemplar) {
                self.exemplar(exemplar);
            }
            self.page.push('\n');
        }
        let (sum, count) = (Number(histogram.sum()), histogram.count());
        self.line(format_args!("{sample}_sum{open}{labels}{close} {sum}"));
        self.line(format_args!("{sample}_count{open}{labels}{close} {count}"));
    }

    fn exemplar(&mut self, exemplar: &Exemplar) {
        let seconds = exemplar.time.0 / 1_000_000_000;
        let millis = exemplar.time.0 / 1_000_000 % 1_000;
        self.put(format_args!(
            " # {{trace_id=\"{}\",span_id=\"{}\"}} {} {seconds}.{millis:03}",
            exemplar.trace_id,
            exemplar.span_id,
            Number(exemplar.value),
        ));
    }

    /// A bound as the format spells it: OpenMetrics asks for a decimal point.
    fn bound(&self, bound: f64) -> String {
        let text = Number(bound).to_string();
        let whole = bound.is_finite() && !text.contains('.');
        match self.format {
            Format::OpenMetrics if whole => format!("{text}.0"),
            _ => text,
        }
    }

    /// The finished page.
    pub(super) fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.page.push_str("# EOF\n");
        }
        self.page
    }

    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        self.put(text);
        self.page.push('\n');
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let written = self.page.write_fmt(text);
        debug_assert!(written.is_ok());
    }
}

/// A value with infinities as Prometheus spells them.
struct Number(f64);

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            value if value == f64::INFINITY => f.write_str("+Inf"),
            value if value == f64::NEG_INFINITY => f.write_str("-Inf"),
            value => write!(f, "{value}"),
        }
    }
}

/// Escapes a label value; both formats use the same three escapes.
pub(crate) fn escape_label(out: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
}

/// Labels as text without braces.
pub(super) fn labels<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(name);
        text.push_str("=\"");
        escape_label(&mut text, value);
        text.push('"');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        runtime::{Distribution, Figure, Numbers, TimeCounts},
        telemetry::{Telemetry, expose, testing},
    };

    fn golden_series() -> Vec<crate::telemetry::store::Series> {
        let telemetry = Telemetry::new();
        telemetry.record_span(&testing::http_span("shop", Some("/items/{id}"), 200));
        telemetry.record_span(&testing::http_span("shop", None, 503));
        telemetry.record_span(&testing::grpc_span("cart \"9\"", 0));
        let reading = crate::telemetry::RuntimeReading {
            numbers: Numbers::default()
                .with(Figure::Goroutines, 12)
                .with(Figure::GcCycles, 3)
                .with(Figure::GcPauseTotal, 63_000)
                .with(Figure::HeapGoal, 4 << 20),
            times: std::sync::Arc::new(BTreeMap::from([(
                Distribution::SchedulingLatency,
                TimeCounts::new((0..160).map(|bucket| bucket % 3).collect(), 0, 1).into(),
            )])),
            gc_cycles: 3,
            new_gc_cycles: testing::ring_cycles([21_000]),
            gc_pause_total_ns: 63_000,
            ..Default::default()
        };
        telemetry.update_runtime(&testing::resource("shop"), reading);
        telemetry
            .store
            .targets()
            .iter()
            .flat_map(|target| target.snapshot_with_runtime())
            .collect()
    }

    #[test]
    fn text_is_the_golden_page() {
        let page = expose::page(Format::Text, &golden_series(), &[], &[]);
        assert_eq!(page, include_str!("../golden/page.txt"));
    }

    #[test]
    fn openmetrics_is_the_golden_page() {
        let page = expose::page(Format::OpenMetrics, &golden_series(), &[], &[]);
        assert_eq!(page, include_str!("../golden/page.openmetrics"));
    }

    #[test]
    fn own_families_pass_through_the_same_writer() {
        let telemetry = Telemetry::new();
        telemetry.own().drops_total("ring_full", 3);
        telemetry.own().targets("attached", 2);
        let text = telemetry.render(Format::Text);
        assert!(text.contains(
            "# TYPE golens_drops_total counter\ngolens_drops_total{reason=\"ring_full\"} 3\n"
        ));
        let open = telemetry.render(Format::OpenMetrics);
        assert!(
            open.contains(
                "# TYPE golens_drops counter\ngolens_drops_total{reason=\"ring_full\"} 3\n"
            )
        );
        assert!(open.contains("# UNIT process_memory_usage_bytes bytes\n"));
        assert!(open.contains("golens_targets{state=\"attached\"} 2\n"));
        assert!(open.ends_with("# EOF\n"));
    }

    /// A gauge and a counter of the client library would be one family in OpenMetrics.
    #[test]
    fn classic_names_are_families_of_their_own_in_both_formats() {
        let telemetry = Telemetry::new();
        telemetry.show_classic_names(true);
        let reading = crate::telemetry::RuntimeReading {
            numbers: Numbers::default()
                .with(Figure::ClassHeapObjects, 7)
                .with(Figure::HeapAllocatedBytes, 9)
                .with(Figure::HeapFrees, 2)
                .with(Figure::TinyAllocations, 3),
            gc_cycles: 2,
            gc_pause_total_ns: 30_000,
            recent_gc_pauses_ns: [20_000, 10_000].into(),
            ..Default::default()
        };
        telemetry.update_runtime(&testing::resource("shop"), reading);
        let labels = "service_name=\"shop\",service_instance_id=\"shop-1\",source=\"golens\"";
        let open = telemetry.render(Format::OpenMetrics);
        for line in [
            "# TYPE go_memstats_alloc_bytes gauge".to_owned(),
            format!("go_memstats_alloc_bytes{{{labels}}} 7"),
            "# TYPE go_memstats_alloc_bytes_total unknown".to_owned(),
            format!("go_memstats_alloc_bytes_total{{{labels}}} 9"),
            "# TYPE go_memstats_frees counter".to_owned(),
            format!("go_memstats_frees_total{{{labels}}} 5"),
            format!("go_info{{{labels},version=\"go1.26.8\"}} 1"),
            format!("go_gc_duration_seconds{{{labels},quantile=\"0.0\"}} 0.00001"),
            format!("go_gc_duration_seconds{{{labels},quantile=\"1.0\"}} 0.00002"),
            format!("go_gc_duration_seconds_sum{{{labels}}} 0.00003"),
            format!("go_gc_duration_seconds_count{{{labels}}} 2"),
        ] {
            assert!(open.contains(&format!("\n{line}\n")), "{line}\n{open}");
        }
        let heads = open.lines().filter(|line| line.starts_with("# TYPE "));
        let families: Vec<_> = heads.filter_map(|line| line.split(' ').nth(2)).collect();
        let unique: std::collections::BTreeSet<_> = families.iter().collect();
        assert_eq!(families.len(), unique.len(), "{families:?}");
        let text = telemetry.render(Format::Text);
        assert!(text.contains("# TYPE go_memstats_alloc_bytes_total counter\n"));
        assert!(!text.contains("go_memstats_sys_bytes"), "it was not read");
    }

    #[test]
    fn numbers_are_spelled_as_prometheus_reads_them() {
        let spelled: Vec<_> = [1.0, 0.00001, f64::INFINITY, f64::NEG_INFINITY, f64::NAN]
            .iter()
            .map(|value| Number(*value).to_string())
            .collect();
        assert_eq!(spelled, ["1", "0.00001", "+Inf", "-Inf", "NaN"]);
    }
}
