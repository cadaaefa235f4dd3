//! The status page: plain HTML that a person reads while something is wrong.

use std::{
    fmt::{self, Write},
    sync::{Arc, atomic::Ordering},
};

use axum::{
    extract::{self, Path},
    response::Html,
};

use super::{State, error::Error};
use crate::{
    correlate::{Span, TraceId},
    discovery::TargetReport,
    logs::LogRecord,
    recent::{Trace, TraceQuery, TraceSummary},
    telemetry::{RuntimeSummary, ServiceSummary},
};

const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
    <meta name=\"viewport\" content=\"width=device-width\">\n";
const STYLE: &str = "<style>body{font:14px/1.5 system-ui,sans-serif;margin:1.5em;max-width:75em}\
    table{border-collapse:collapse;margin-bottom:1.5em}th,td{text-align:left;padding:.2em .9em .2em 0;\
    border-bottom:1px solid #ddd}td.n,th.n{text-align:right}pre{white-space:pre-wrap}\
    .bad{color:#b00}</style>\n";

/// `GET /`: targets, requests, runtime and the latest traces.
pub(super) async fn status(extract::State(state): extract::State<Arc<State>>) -> Html<String> {
    let mut page = format!(
        "{HEAD}<meta http-equiv=\"refresh\" content=\"5\">\n<title>golens</title>\n{STYLE}\
         <h1>golens {}</h1>\n",
        env!("CARGO_PKG_VERSION")
    );
    if !state.ready.load(Ordering::Acquire) {
        page.push_str("<p>The first scan of the node is not done yet.\n");
    }
    targets(&mut page, &(state.targets)());
    services(&mut page, &state.telemetry.service_summaries());
    runtime(&mut page, &state.telemetry.runtime_summaries());
    let latest = TraceQuery {
        limit: 20,
        ..TraceQuery::default()
    };
    traces(&mut page, &state.recent.traces(&latest));
    page.push_str(
        "<p><a href=\"/metrics\">metrics</a> <a href=\"/api/v1/counters\">counters</a>\n",
    );
    Html(page)
}

/// `GET /traces/{trace_id}`: one trace with its log lines.
pub(super) async fn trace(
    extract::State(state): extract::State<Arc<State>>,
    Path(id): Path<String>,
) -> Result<Html<String>, Error> {
    let id = TraceId::from_hex(&id).ok_or(Error::NoSuchTrace)?;
    let Trace { spans, logs } = state.recent.trace(id).ok_or(Error::NoSuchTrace)?;
    let mut page = format!("{HEAD}<title>trace {id}</title>\n{STYLE}<h1>Trace {id}</h1>\n");
    span_table(&mut page, &spans);
    log_lines(&mut page, &logs);
    page.push_str("<p><a href=\"/\">status</a>\n");
    Ok(Html(page))
}

fn targets(page: &mut String, targets: &[TargetReport]) {
    let mut table = Table::new(
        page,
        "Targets",
        &["pid", "service", "state", "go", "probes", "reason"],
    );
    for target in targets {
        let state = format!("{:?}", target.state).to_lowercase();
        table.row(&[
            &target.pid,
            &target.service,
            &state,
            &target.go_version,
            &target.probes.len(),
            &target.reason.as_deref().unwrap_or(""),
        ]);
    }
    table.end();
}

fn services(page: &mut String, services: &[ServiceSummary]) {
    let heads = [
        "service",
        "pid",
        "",
        "method",
        "route",
        "requests",
        "errors",
        "per second",
        "p50",
        "p99",
    ];
    let mut table = Table::new(page, "Requests", &heads);
    for one in services {
        table.row(&[
            &one.service,
            &one.pid,
            &one.protocol,
            &one.method,
            &one.route,
            &one.requests,
            &one.errors,
            &format_args!("{:.1}", one.requests_per_second),
            &Seconds(one.p50_seconds),
            &Seconds(one.p99_seconds),
        ]);
    }
    table.end();
}

fn runtime(page: &mut String, readings: &[RuntimeSummary]) {
    let heads = [
        "service",
        "pid",
        "goroutines",
        "GC cycles",
        "last pause",
        "live heap",
        "goal",
        "GOMAXPROCS",
    ];
    let mut table = Table::new(page, "Go runtime", &heads);
    for one in readings {
        let last = one
            .last_pauses_ns
            .last()
            .map(|ns| Seconds(*ns as f64 / 1e9));
        table.row(&[
            &one.service,
            &one.pid,
            &Known(one.goroutines),
            &one.gc_cycles,
            &Known(last),
            &Known(one.heap_live_bytes.map(MiB)),
            &Known(one.heap_goal_bytes.map(MiB)),
            &Known(one.gomaxprocs),
        ]);
    }
    table.end();
}

fn traces(page: &mut String, traces: &[TraceSummary]) {
    let heads = [
        "trace",
        "root",
        "services",
        "duration",
        "spans",
        "errors",
        "log lines",
    ];
    let mut table = Table::new(page, "Latest traces", &heads);
    for one in traces {
        let services = one.services.join(", ");
        table.linked_row(
            one.trace_id,
            &[
                &one.root,
                &services,
                &Seconds(one.duration_seconds),
                &one.spans,
                &one.errors,
                &one.logs,
            ],
        );
    }
    table.end();
}

fn span_table(page: &mut String, spans: &[Arc<Span>]) {
    let first = spans.first().map_or(0, |span| span.start.0);
    let mut table = Table::new(
        page,
        "Spans",
        &[
            "service", "name", "after", "duration", "error", "span", "parent",
        ],
    );
    for span in spans {
        table.row(&[
            &span.resource.service_name,
            &span.name(),
            &Seconds(span.start.0.saturating_sub(first) as f64 / 1e9),
            &Seconds(span.duration_ns() as f64 / 1e9),
            &span.error_type().unwrap_or_default(),
            &span.span_id,
            &Known(span.parent_span_id),
        ]);
    }
    table.end();
}

fn log_lines(page: &mut String, logs: &[Arc<LogRecord>]) {
    page.push_str("<h2>Log lines</h2>\n<pre>");
    for record in logs {
        put(
            page,
            format_args!("{}: {}\n", record.resource.service_name, record.line),
        );
    }
    page.push_str("</pre>\n");
}

/// A table under construction.
struct Table<'a> {
    page: &'a mut String,
}

impl<'a> Table<'a> {
    fn new(page: &'a mut String, title: &str, heads: &[&str]) -> Self {
        page.push_str("<h2>");
        put(page, title);
        page.push_str("</h2>\n<table>\n<tr>");
        for head in heads {
            page.push_str("<th>");
            put(page, head);
        }
        page.push('\n');
        Self { page }
    }

    fn row(&mut self, cells: &[&dyn fmt::Display]) {
        self.page.push_str("<tr>");
        self.cells(cells);
    }

    /// A row that begins with a link to a trace.
    fn linked_row(&mut self, id: TraceId, cells: &[&dyn fmt::Display]) {
        // An id is hex digits, which need no escapes.
        self.page
            .push_str(&format!("<tr><td><a href=\"/traces/{id}\">{id}</a>"));
        self.cells(cells);
    }

    fn cells(&mut self, cells: &[&dyn fmt::Display]) {
        for cell in cells {
            self.page.push_str("<td>");
            put(self.page, cell);
        }
        self.page.push('\n');
    }

    fn end(self) {
        self.page.push_str("</table>\n");
    }
}

/// Writes text so that no character of it is read as HTML.
fn put(page: &mut String, text: impl fmt::Display) {
    let mut escaped = Escaped(page);
    // Writing to a String cannot fail.
    let written = write!(escaped, "{text}");
    debug_assert!(written.is_ok());
}

struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                other => self.0.push(other),
            }
        }
        Ok(())
    }
}

/// Seconds at a scale that people read.
struct Seconds(f64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            s if s >= 1.0 => write!(f, "{s:.2} s"),
            s if s >= 0.001 => write!(f, "{:.2} ms", s * 1e3),
            s => write!(f, "{:.0} us", s * 1e6),
        }
    }
}

/// Bytes as mebibytes.
struct MiB(u64);

impl fmt::Display for MiB {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} MiB", self.0 as f64 / f64::from(1 << 20))
    }
}

/// A value, or a dash where there is none.
struct Known<T>(Option<T>);

impl<T: fmt::Display> fmt::Display for Known<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("-"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_targets_is_never_read_as_html() {
        let mut page = String::new();
        put(&mut page, "<script>alert('&\"')</script>");
        assert_eq!(
            page,
            "&lt;script&gt;alert(&#39;&amp;&quot;&#39;)&lt;/script&gt;"
        );
    }

    #[test]
    fn durations_are_shown_at_their_scale() {
        let shown: Vec<_> = [1.5, 0.0123, 0.000_042]
            .map(|s| Seconds(s).to_string())
            .into();
        assert_eq!(shown, ["1.50 s", "12.30 ms", "42 us"]);
    }
}
