//! Prometheus text exposition: 0.0.4, and OpenMetrics 1.0 with exemplars.
//!
//! The `prometheus` crate has neither OpenMetrics nor exemplars, so both its own families and the
//! series of targets pass through this writer.

mod accept;
mod writer;

use prometheus::proto::MetricFamily;

pub use accept::negotiate;

use writer::Writer;
pub(crate) use writer::escape_label;

use super::{
    catalog,
    classic::{self, Shown},
    own::value,
    store::{Sample, Series},
};

/// Format of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text 0.0.4.
    Text,
    /// OpenMetrics 1.0, with exemplars.
    OpenMetrics,
}

impl Format {
    /// Value of the `Content-Type` header.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Writes the series of targets and the agent's own families, in catalogue order.
pub(super) fn page(
    format: Format,
    series: &[Series],
    own: &[MetricFamily],
    classic: &[Shown],
) -> String {
    let mut writer = Writer::new(format);
    for metric in catalog::all() {
        let of_targets: Vec<&Series> = series
            .iter()
            .filter(|series| std::ptr::eq(series.metric, metric))
            .collect();
        let name = metric.prometheus_name();
        let of_agent = own.iter().find(|family| family.name() == name);
        let agent_rows = of_agent.map_or(&[][..], MetricFamily::get_metric);
        if of_targets.is_empty() && agent_rows.is_empty() {
            continue;
        }
        writer.family(metric);
        for series in of_targets {
            match &series.sample {
                Sample::Number(number) => writer.number(&series.labels, *number),
                Sample::Histogram(histogram) => writer.histogram(&series.labels, histogram),
            }
        }
        for (family, row) in of_agent
            .iter()
            .flat_map(|f| agent_rows.iter().map(move |r| (f, r)))
        {
            let pairs = row.get_label().iter().map(|l| (l.name(), l.value()));
            writer.number(&writer::labels(pairs), value(family, row));
        }
    }
    write_classic(&mut writer, classic);
    writer.finish()
}

/// Writes the families that the Prometheus client library for Go would show.
fn write_classic(writer: &mut Writer, targets: &[Shown]) {
    if targets.is_empty() {
        return;
    }
    writer.head("go_info", "gauge", "Information about the Go environment.");
    for target in targets {
        let version =
            writer::labels([("version", target.resource.runtime_version.as_str())].into_iter());
        writer.number(&format!("{},{version}", target.labels), 1.0);
    }
    writer.head(
        "go_gc_duration_seconds",
        "summary",
        "A summary of the wall-time pause (stop-the-world) duration in garbage collection cycles.",
    );
    for target in targets {
        let reading = &target.reading;
        let sum = reading.gc_pause_total_ns as f64 / 1e9;
        writer.summary(
            &target.labels,
            &target.pause_quantiles(),
            sum,
            reading.gc_cycles,
        );
    }
    for number in classic::NUMBERS {
        let values = targets
            .iter()
            .filter_map(|target| Some((target, (number.value)(target)?)));
        let values: Vec<_> = values.collect();
        if !values.is_empty() {
            writer.classic_head(number.name, number.kind, number.help);
        }
        for (target, value) in values {
            writer.number(&target.labels, value);
        }
    }
    for times in classic::HISTOGRAMS {
        let values = targets
            .iter()
            .filter_map(|target| Some((target, target.histogram(times.of)?)));
        let values: Vec<_> = values.collect();
        if !values.is_empty() {
            writer.head(times.name, "histogram", times.help);
        }
        for (target, histogram) in values {
            writer.histogram(&target.labels, &histogram);
        }
    }
}
